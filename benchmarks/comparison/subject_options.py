"""A model in ComfyUI by the options of a command line."""

import argparse
from pathlib import Path

from ..shared import digest


def add_comfyui_options(arguments: argparse.ArgumentParser):
    """For a model by the names of its files; returns their group."""
    group = arguments.add_argument_group("a model in ComfyUI, by the names of its files there")
    add = group.add_argument
    add("--comfyui", action="store_true", help="compare on it; COMFYUI_PATH names the ComfyUI")
    for name in ("--checkpoint", "--diffusion-model", "--vae"):
        add(name)
    add("--text-encoders", nargs="+", default=[], metavar="FILE")
    add("--clip-type", default="flux")
    add("--target", metavar="FILE[,BACKBONE]", help="the reward to climb")
    add("--held-out", nargs="+", default=[], metavar="FILE[,BACKBONE]", help="rewards to watch")
    add("--prompts", default="animals", help="animals, compositions, or a file with one on each line")
    add("--size", type=int, default=512, help="of the pictures, in pixels (512)")
    return group


def comfyui_subject(options: argparse.Namespace, steps: int, batch: int) -> tuple:
    """The subject of the options of `add_comfyui_options`, and a name for a folder of its results, which is another one
    as soon as one of these files or prompts is."""
    if not options.target or not options.held_out:
        raise ValueError("--comfyui needs --target and at least one --held-out: files in models/reward_models")
    from tools import comfyui_in_process

    comfyui_in_process.start()
    from .comfyui_subject import PROMPTS, ComfyUISubject, ModelFiles, RewardFile

    models = ModelFiles(options.checkpoint, options.diffusion_model, tuple(options.text_encoders), options.clip_type,
                        options.vae)
    named = PROMPTS / f"{options.prompts}.txt"
    subject = ComfyUISubject.load(
        models, named if named.is_file() else Path(options.prompts), RewardFile.parse(options.target),
        [RewardFile.parse(text) for text in options.held_out], options.size, steps, batch)
    model = Path(options.checkpoint or options.diffusion_model).stem
    target = Path(options.target.partition(",")[0]).stem
    rest = digest(models, options.target, options.held_out, subject.prompts, steps)
    return subject, f"{model}_{target}_{Path(options.prompts).stem}_{options.size}_{rest}"
