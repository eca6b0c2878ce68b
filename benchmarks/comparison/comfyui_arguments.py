"""The command line's words for a comparison in ComfyUI; nothing here needs ComfyUI until a subject is loaded."""

import argparse
from pathlib import Path

from . import comfyui_host

PROMPTS = Path(__file__).with_name("prompts")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--comfyui` and what belongs to it."""
    group = parser.add_argument_group(
        "in ComfyUI", "compare on a model of yours; COMFYUI_PATH names the ComfyUI, files are named as in its models "
        "folder")
    group.add_argument("--comfyui", action="store_true", help="compare in ComfyUI instead of the demo world")
    group.add_argument("--checkpoint", metavar="FILE", help="in checkpoints: model, text encoder and VAE in one")
    group.add_argument("--diffusion-model", metavar="FILE", help="in diffusion_models, such as flux1-schnell")
    group.add_argument("--text-encoders", metavar="FILE", nargs="+", default=[], help="in text_encoders")
    group.add_argument("--clip-type", default="flux", help="what the text encoders belong to, as in ComfyUI's loaders")
    group.add_argument("--vae", metavar="FILE", help="in vae")
    group.add_argument("--target", metavar="FILE[,FOLDER/BACKBONE]", help="in reward_models: the reward to climb")
    group.add_argument("--held-out", metavar="FILE[,FOLDER/BACKBONE]", nargs="+", default=[],
                       help="in reward_models: rewards that only watch")
    group.add_argument("--prompts", default="animals", help="animals, compositions, or a file with one prompt a line")
    group.add_argument("--size", type=int, default=512, help="of the pictures, in pixels")
    group.add_argument("--sampling-steps", type=int, default=1)
    group.add_argument("--memory", default="auto", choices=("auto", "recompute", "keep"))


def load_subject(options: argparse.Namespace, batch: int):
    """The `ComfyUISubject` that the options describe; ValueError or FileNotFoundError for what is missing."""
    if options.target is None or not options.held_out:
        raise ValueError("name a reward to climb (--target) and at least one that watches (--held-out)")
    prompts = PROMPTS / f"{options.prompts}.txt"
    if not prompts.is_file():
        prompts = Path(options.prompts)
    if not prompts.is_file():
        raise ValueError(f"there are no prompts {options.prompts!r}: say animals, compositions or the path of a file")
    comfyui_host.start()
    from .comfyui_files import ModelFiles, RewardFile
    from .comfyui_subject import ComfyUISubject

    models = ModelFiles(options.checkpoint, options.diffusion_model, tuple(options.text_encoders), options.clip_type,
                        options.vae)
    return ComfyUISubject.load(models, prompts, RewardFile.parse(options.target),
                               [RewardFile.parse(text) for text in options.held_out], options.size,
                               options.sampling_steps, batch, options.memory)
