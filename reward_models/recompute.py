"""Recomputing layers in backward (gradient checkpointing), for frozen models in eval mode.

transformers' own switch is active only in train mode and open_clip's is spelled differently per tower, so the
layers' `forward` is wrapped directly; both libraries call it once per layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_in_backward(layers: Iterable[nn.Module]) -> None:
    """Make every layer keep only its inputs for backward, as long as it lives; same output, same gradient."""
    for layer in layers:
        # In eval mode nothing draws random numbers, so their state need not be saved.
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
