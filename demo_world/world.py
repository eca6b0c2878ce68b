"""The demo world, loaded: noise to picture, two rewards and a judge of realism, all frozen."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from .composition import scale_of
from .decoder import Decoder
from .generator import Generator
from .realism import RealismAndDetail, RealismJudge
from .realism_detail import DetailJudge
from .rewards import ConvolutionalTaste, PatchTaste, Reward
from .scene import LATENT_SHAPE, PROMPTS

ASSETS = Path(__file__).parent / "assets"
FILES = {
    "generator": "demo_world_flux.safetensors",
    "flow": "demo_world_flow.safetensors",
    "decoder": "demo_world_taesd.safetensors",
    "conditions": "demo_world_conditions.safetensors",
    "flow_conditions": "demo_world_flow_conditions.safetensors",
    "reward": "demo_world_reward.safetensors",
    "held_out_reward": "demo_world_held_out_reward.safetensors",
    "realism": "demo_world_realism.safetensors",
    "realism_detail": "demo_world_realism_detail.safetensors",
    "encoder": "demo_world_encoder.safetensors",
}


def asset_path(name: str, assets: Path = ASSETS) -> Path:
    """Where an asset lies; `name` is one of `FILES`."""
    if name not in FILES:
        raise ValueError(f"unknown asset {name!r}: expected one of {', '.join(FILES)}")
    path = assets / FILES[name]
    if not path.exists():
        raise ValueError(f"the demo world's {name} is missing: restore {path} from the repository")
    return path


# The table of prompts that each transformer was trained with.
CONDITIONS = {"generator": "conditions", "flow": "flow_conditions"}


def conditions(model: str = "generator") -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Prompt name -> (context (1, T, 64), pooled (1, 32)), float32: what a transformer takes.

    Args:
        model: "generator", of one step, or "flow", of many.

    Raises:
        ValueError: another name.
    """
    if model not in CONDITIONS:
        raise ValueError(f"unknown model {model!r}: expected one of {', '.join(CONDITIONS)}")
    tensors = load_file(asset_path(CONDITIONS[model]))
    return {p: (tensors["context"][i : i + 1], tensors["pooled"][i : i + 1]) for i, p in enumerate(PROMPTS)}


def load_flow(assets: Path = ASSETS) -> Generator:
    """The model of many steps, for `flow.euler` and `flow.euler_ancestral`; float32, frozen."""
    generator = Generator().load(asset_path("flow", assets), asset_path(CONDITIONS["flow"], assets))
    return generator.requires_grad_(False).eval()


def load_reward(assets: Path = ASSETS) -> Reward:
    """The reward to climb; needs neither diffusers nor transformers."""
    return ConvolutionalTaste().load(asset_path("reward", assets)).requires_grad_(False).eval()


def load_held_out_reward(assets: Path = ASSETS) -> Reward:
    """The reward to watch; needs neither diffusers nor transformers."""
    return PatchTaste().load(asset_path("held_out_reward", assets)).requires_grad_(False).eval()


def load_realism(assets: Path = ASSETS) -> RealismAndDetail:
    """The judge of realism; needs neither diffusers nor transformers."""
    judges = (
        RealismJudge().load(asset_path("realism", assets)),
        DetailJudge().load(asset_path("realism_detail", assets)),
    )
    return RealismAndDetail(*judges).requires_grad_(False).eval()


@dataclass(frozen=True)
class DemoWorld:
    """Every map is differentiable with respect to its tensor argument; every weight is frozen."""

    generator: Generator
    decoder: Decoder
    reward: Reward
    held_out_reward: Reward
    realism_error: RealismAndDetail

    prompts: tuple[str, ...] = PROMPTS
    latent_shape: tuple[int, int, int] = LATENT_SHAPE  # at 64 pixels

    def denoised(self, noise: torch.Tensor, prompt: str | list[str]) -> torch.Tensor:
        """The generator's single step: noise (B, 16, 8k, 8k), k 1, 2 or 4 -> latents of that shape.

        Raises:
            ValueError: noise of another shape, an unknown prompt, or a number of prompts that does not fit.
        """
        scale_of(noise)
        names = [prompt] * len(noise) if isinstance(prompt, str) else list(prompt)
        if len(names) != len(noise):
            raise ValueError(f"got {len(names)} prompts for {len(noise)} noises: give one, or one for each noise")
        unknown = sorted(set(names) - set(self.prompts))
        if unknown:
            raise ValueError(f"unknown prompt {unknown[0]!r}: the demo world knows {', '.join(self.prompts)}")
        indices = torch.tensor([self.prompts.index(name) for name in names], device=noise.device)
        return self.generator(noise, indices)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Latents (B, 16, 8k, 8k), k 1, 2 or 4 -> pictures (B, 3, 64k, 64k) in [0, 1].

        Raises:
            ValueError: latents of another shape.
        """
        scale_of(latent, "latent")
        return self.decoder(latent).clamp(0, 1)

    def generate(self, noise: torch.Tensor, prompt: str | list[str]) -> torch.Tensor:
        """Noise (B, 16, 8k, 8k) -> pictures (B, 3, 64k, 64k) in [0, 1]; one prompt for all or one for each."""
        return self.decode(self.denoised(noise, prompt))


def load_world(device: str | torch.device = "cpu", assets: Path = ASSETS) -> DemoWorld:
    """Load every network in float32 onto `device`.

    Raises:
        ValueError: a file is missing.
    """
    generator = Generator().load(asset_path("generator", assets), asset_path(CONDITIONS["generator"], assets))
    networks = (
        generator,
        Decoder().load(asset_path("decoder", assets)),
        load_reward(assets),
        load_held_out_reward(assets),
        load_realism(assets),
    )
    return DemoWorld(*(network.requires_grad_(False).eval().to(device) for network in networks))
