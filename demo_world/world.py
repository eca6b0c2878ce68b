"""The demo world, loaded: noise to picture, two rewards and a judge of realism, all frozen."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from .decoder import Decoder
from .generator import Generator
from .realism import RealismJudge
from .rewards import ConvolutionalTaste, PatchTaste, Reward
from .scene import LATENT_SHAPE, PROMPTS

ASSETS = Path(__file__).parent / "assets"
FILES = {
    "generator": "demo_world_flux.safetensors",
    "flow": "demo_world_flow.safetensors",
    "decoder": "demo_world_taesd.safetensors",
    "conditions": "demo_world_conditions.safetensors",
    "reward": "demo_world_reward.safetensors",
    "held_out_reward": "demo_world_held_out_reward.safetensors",
    "realism": "demo_world_realism.safetensors",
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


def conditions() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Prompt name -> (context (1, T, 64), pooled (1, 32)), float32: what the transformer takes."""
    tensors = load_file(asset_path("conditions"))
    return {p: (tensors["context"][i : i + 1], tensors["pooled"][i : i + 1]) for i, p in enumerate(PROMPTS)}


def load_flow(assets: Path = ASSETS) -> Generator:
    """The model of many steps, for `flow.euler` and `flow.euler_ancestral`; float32, frozen."""
    generator = Generator().load(asset_path("flow", assets), asset_path("conditions", assets))
    return generator.requires_grad_(False).eval()


def load_reward(assets: Path = ASSETS) -> Reward:
    """The reward to climb; needs neither diffusers nor transformers."""
    return ConvolutionalTaste().load(asset_path("reward", assets)).requires_grad_(False).eval()


def load_held_out_reward(assets: Path = ASSETS) -> Reward:
    """The reward to watch; needs neither diffusers nor transformers."""
    return PatchTaste().load(asset_path("held_out_reward", assets)).requires_grad_(False).eval()


def load_realism(assets: Path = ASSETS) -> RealismJudge:
    """The judge of realism; needs neither diffusers nor transformers."""
    return RealismJudge().load(asset_path("realism", assets)).requires_grad_(False).eval()


@dataclass(frozen=True)
class DemoWorld:
    """Every map is differentiable with respect to its tensor argument; every weight is frozen."""

    generator: Generator
    decoder: Decoder
    reward: Reward
    held_out_reward: Reward
    realism_error: RealismJudge

    prompts: tuple[str, ...] = PROMPTS
    latent_shape: tuple[int, int, int] = LATENT_SHAPE

    def denoised(self, noise: torch.Tensor, prompt: str | list[str]) -> torch.Tensor:
        """The generator's single step: noise (B, 16, 8, 8) -> latents of that shape."""
        if noise.ndim != 4 or tuple(noise.shape[1:]) != self.latent_shape:
            raise ValueError(f"noise must be (B, {', '.join(map(str, self.latent_shape))}), got {tuple(noise.shape)}")
        names = [prompt] * len(noise) if isinstance(prompt, str) else list(prompt)
        if len(names) != len(noise):
            raise ValueError(f"got {len(names)} prompts for {len(noise)} noises: give one, or one for each noise")
        unknown = sorted(set(names) - set(self.prompts))
        if unknown:
            raise ValueError(f"unknown prompt {unknown[0]!r}: the demo world knows {', '.join(self.prompts)}")
        indices = torch.tensor([self.prompts.index(name) for name in names], device=noise.device)
        return self.generator(noise, indices)

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """Latents (B, 16, 8, 8) -> pictures (B, 3, 64, 64) in [0, 1]."""
        return self.decoder(latent).clamp(0, 1)

    def generate(self, noise: torch.Tensor, prompt: str | list[str]) -> torch.Tensor:
        """Noise (B, 16, 8, 8) -> pictures (B, 3, 64, 64) in [0, 1]; one prompt for all or one for each."""
        return self.decode(self.denoised(noise, prompt))


def load_world(device: str | torch.device = "cpu", assets: Path = ASSETS) -> DemoWorld:
    """Load every network in float32 onto `device`."""
    generator = Generator().load(asset_path("generator", assets), asset_path("conditions", assets))
    networks = (
        generator,
        Decoder().load(asset_path("decoder", assets)),
        load_reward(assets),
        load_held_out_reward(assets),
        load_realism(assets),
    )
    return DemoWorld(*(network.requires_grad_(False).eval().to(device) for network in networks))
