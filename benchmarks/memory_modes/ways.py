"""The ways of starting ComfyUI that place weights differently."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..shared import GIB

# Stands for so many GB that about half of the model's weights find room on the card.
HALF = "HALF"
NO_DYNAMIC = "--disable-dynamic-vram"

# The first one is the reference: everything resident.
WAYS: dict[str, list[tuple[str, ...]]] = {
    "cuda": [
        ("--highvram", NO_DYNAMIC),
        (),  # dynamic VRAM, since 0.16
        ("--disable-async-offload",),
        ("--vram-headroom", HALF),
        (NO_DYNAMIC,),
        (NO_DYNAMIC, "--lowvram"),
        (NO_DYNAMIC, "--reserve-vram", HALF),
        (NO_DYNAMIC, "--async-offload"),
        # with nothing on the card the two ways of bringing weights matter most
        (NO_DYNAMIC, "--novram"),
        (NO_DYNAMIC, "--novram", "--async-offload"),
        (NO_DYNAMIC, "--novram", "--disable-async-offload"),
    ],
    "cpu": [("--cpu",), ("--cpu", "--force-fp32")],
}
COMPUTING = {"float32": ("--fp32-unet", "--fp32-vae"), "bfloat16": ("--bf16-unet",)}


def known_flags(comfyui: Path) -> set[str]:
    """What a ComfyUI folder understands on its command line."""
    return set(re.findall(r'"(--[\w-]+)"', (comfyui / "comfy" / "cli_args.py").read_text(encoding="utf-8")))


def possible_ways(ways: Sequence[tuple[str, ...]],
                  known: set[str]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The different ones that a ComfyUI with these flags can be started in, and those that it cannot."""
    possible, missing = {}, []
    for way in ways:
        # a ComfyUI without this flag has no dynamic VRAM to disable
        asked = tuple(flag for flag in way if flag != NO_DYNAMIC or flag in known)
        if any(flag.startswith("--") and flag not in known for flag in asked):
            missing.append(way)
        else:
            possible[asked] = None
    return list(possible), missing


def with_half(way: tuple[str, ...], facts: dict) -> tuple[str, ...]:
    """The flags with GB in the place of HALF. facts: of a run in which everything was resident.

    As ComfyUI reckons: VAE first, then the model takes what is free but for the reserve and what a step needs, for
    which it assumes 0.8 GiB or more. free_bytes: without these models.
    """
    step = max(facts["required_bytes"], 0.8 * GIB)
    reserve = facts["free_bytes"] - facts["vae_bytes"] - step - facts["model_bytes"] / 2
    return tuple(f"{max(0.0, reserve / GIB):.3f}" if flag == HALF else flag for flag in way)
