"""What the comparison in ComfyUI is made of, by the names that files have in ComfyUI's folders.

Import after `comfyui_host.start`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import comfy.sd
import comfy.utils
import folder_paths

from ..comfyui_host import pack_module

PROMPTS = Path(__file__).with_name("prompts")


@dataclass(frozen=True)
class RewardFile:
    """file: in models/reward_models. backbone: as the Reward Model Loader lists it, for heads without one."""

    file: str
    backbone: str = "none"

    @classmethod
    def parse(cls, text: str) -> "RewardFile":
        """FILE, or FILE,FOLDER/BACKBONE."""
        file, _, backbone = text.partition(",")
        return cls(file, backbone or "none")

    def load(self):
        """A `RewardHandle` of the pack; ValueError for a name that is in none of the folders."""
        _path("reward_models", self.file)
        if self.backbone != "none":
            folder, _, name = self.backbone.partition("/")
            _path(folder, name)
        loader = pack_module("nodes.reward_model_loader").RewardModelLoader
        return loader.execute(self.file, backbone=self.backbone)[0]


@dataclass(frozen=True)
class ModelFiles:
    """Either a checkpoint, or a diffusion model with text encoders and a VAE. A VAE beside a checkpoint takes the place
    of its own.

    clip_type: what the text encoders belong to, as in ComfyUI's CLIP loaders: "flux", "sd3", "stable_diffusion", ...
    """

    checkpoint: str | None = None
    diffusion_model: str | None = None
    text_encoders: tuple[str, ...] = ()
    clip_type: str = "flux"
    vae: str | None = None

    def __post_init__(self) -> None:
        if (self.checkpoint is None) == (self.diffusion_model is None):
            raise ValueError("name a checkpoint or a diffusion model, one of the two")
        if self.diffusion_model is not None and not (self.text_encoders and self.vae):
            raise ValueError("a diffusion model needs its text encoders and a VAE: name them too")
        if not hasattr(comfy.sd.CLIPType, self.clip_type.upper()):
            known = ", ".join(kind.name.lower() for kind in comfy.sd.CLIPType)
            raise ValueError(f"there is no clip type {self.clip_type!r}: choose one of {known}")

    def load(self) -> tuple[object, object, object]:
        """Model patcher, CLIP and VAE. ValueError for a name that is in none of the folders."""
        if self.checkpoint is not None:
            model, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(_path("checkpoints", self.checkpoint))
        else:
            model = comfy.sd.load_diffusion_model(_path("diffusion_models", self.diffusion_model))
            clip = comfy.sd.load_clip([_path("text_encoders", name) for name in self.text_encoders],
                                      clip_type=comfy.sd.CLIPType[self.clip_type.upper()])
        if self.vae is not None:
            vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(_path("vae", self.vae)))
        return model, clip, vae


def _path(folder: str, name: str) -> str:
    if folder not in folder_paths.folder_names_and_paths:
        raise ValueError(f"ComfyUI has no models folder {folder!r}: name a backbone as FOLDER/FILE, such as "
                         "clip_vision/clip_l.safetensors")
    path = folder_paths.get_full_path(folder, name)
    if path is None:
        there = ", ".join(folder_paths.get_filename_list(folder)) or "nothing"
        raise ValueError(f"there is no {name!r} in ComfyUI's models folder {folder!r}; it holds: {there}")
    return path


def encode(clip, prompts: Sequence[str]) -> dict[str, list]:
    """ComfyUI's conditioning for every prompt."""
    return {prompt: clip.encode_from_tokens_scheduled(clip.tokenize(prompt)) for prompt in prompts}


def read_prompts(path: Path) -> tuple[str, ...]:
    """One prompt a line; ValueError for a file that is not there or holds none."""
    if not path.is_file():
        raise ValueError(f"there is no prompt file {path}: name animals, compositions or a file with one prompt a line")
    prompts = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if not prompts:
        raise ValueError(f"{path} holds no prompt: write one a line")
    return prompts
