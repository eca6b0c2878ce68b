"""Demo World called as ComfyUI calls it: what it logs, and what its VAE cannot do."""

import logging

import pytest
import torch


def test_it_loads_without_a_warning(node_classes, caplog):
    with caplog.at_level(logging.INFO):
        node_classes["GPER_DemoWorld"].execute("day")
    assert caplog.records, "the host's log is not seen"
    assert [record.getMessage()[:200] for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_its_vae_refuses_to_encode(node_classes):
    """It has no encoder: what came out was made of whatever lay in memory."""
    vae = node_classes["GPER_DemoWorld"].execute("day")[1]
    with pytest.raises(ValueError, match="decodes only: start from an empty latent"):
        vae.encode(torch.full((1, 64, 64, 3), 0.5))
