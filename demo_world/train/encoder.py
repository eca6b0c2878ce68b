"""Training of the demo world's image encoder: a small CLIP vision tower that learns to describe scenes.

CLIP learns an embedding from texts that say what a picture shows. Here the scene itself is the text: a linear map of
the unit-length embedding has to tell what stands where, how the light is, and how broken the picture is.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ..painter import paint
from ..scene import PROMPTS, Scene, plan
from .broken import break_pictures
from .stage import Stage, draw_noise, run

VISION = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 96,
    "projection_dim": 48,
    "image_size": 64,
    "patch_size": 8,
    "hidden_act": "gelu",
}
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PAINT_BATCH = 50


def description(scene: Scene) -> dict[str, Tensor]:
    """What an embedding has to tell of B scenes: (B, n) each."""
    house, window = scene.houses[:, 0], scene.houses[:, 5]
    by_day = (scene.prompt < PROMPTS.index("night")).to(house)[:, None, None]
    stars = torch.sigmoid(8 * (scene.sparks[:, 0] - 0.40 - 0.48 * by_day))  # birds and snowflakes, too
    return {
        "prompt": F.one_hot(scene.prompt, len(PROMPTS)).to(house),
        "sun": scene.sun,
        "lit": torch.sigmoid(12 * house) * torch.sigmoid(12 * window),
        "cover": F.avg_pool2d(torch.sigmoid(8 * (scene.clouds - 1.0)), (2, 4)).flatten(1),
        "stars": F.avg_pool2d(stars, (5, 2)).flatten(1),
        "light": torch.stack([scene.warmth.mean((1, 2)), scene.light.mean((1, 2)), scene.contrast], 1),
        "ridges": torch.cat([scene.mountains, scene.hills], 1),
        "trees": torch.sigmoid(12 * (scene.trees[:, 0] - 0.25)),
    }


@torch.no_grad()
def paint_scenes(seed: int, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """`count` painter pictures (N, 3, 64, 64) uint8 and their descriptions."""
    generator = torch.Generator().manual_seed(seed)
    images, described = [], []
    for _ in range(0, count, PAINT_BATCH):
        scene = plan(*draw_noise(PAINT_BATCH, generator))
        images.append((paint(scene)[0] * 255).round().to(torch.uint8))
        described.append(description(scene))
    return torch.cat(images), {name: torch.cat([part[name] for part in described]) for name in described[0]}


class SceneTeller(nn.Module):
    """images (B, 3, 64, 64) in [0, 1] -> embeddings (B, 48) of unit length -> descriptions."""

    def __init__(self, sizes: dict[str, int]):
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # seconds of import

        self.tower = CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION))
        self.sizes = sizes
        self.head = nn.Linear(VISION["projection_dim"], sum(sizes.values()))

    def embed(self, images: Tensor) -> Tensor:
        mean, std = (images.new_tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
        return F.normalize(self.tower(pixel_values=(images - mean) / std).image_embeds, dim=-1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        told = self.head(self.embed(images) * VISION["projection_dim"] ** 0.5)
        return dict(zip(self.sizes, told.split(list(self.sizes.values()), 1), strict=True))


def train_encoder(stage: Stage, seed: int, count: int, work: Path) -> SceneTeller:
    """Learn from `count` painter pictures, a third of each batch broken. Every part of a description counts alike."""
    torch.manual_seed(stage.seed)
    images, described = paint_scenes(seed, count)
    described = {name: (value - value.mean(0)) / value.std(0) for name, value in described.items()}
    teller = SceneTeller({name: value.shape[1] for name, value in described.items()} | {"broken": 1})

    def loss(generator):
        index = torch.randint(len(images), (stage.batch,), generator=generator)
        batch, third = images[index].float() / 255, stage.batch // 3
        changed, amount = break_pictures(batch[:third], generator)
        told = teller(torch.cat([changed, batch[third:]]))
        # What is broken need not show its scene any more.
        worth = torch.cat([1 - amount, torch.ones(stage.batch - third)])[:, None]
        parts = [(worth * (told[name] - value[index]).square()).mean() for name, value in described.items()]
        broken = (told["broken"][:, 0] - 3 * (1 - worth[:, 0])).square().mean()
        value = torch.stack([*parts, broken]).mean()
        return value, {"mse": value.item()}

    run(stage, {"encoder": teller}, loss, work)
    return teller


def save_encoder(teller: SceneTeller, path: Path) -> None:
    """In half precision and Hugging Face's layout of CLIP; what the tensors do not tell stands in a file beside it."""
    weights = {name: value.half().contiguous() for name, value in teller.tower.state_dict().items()}
    save_file({name: value for name, value in weights.items() if not name.endswith("position_ids")}, path)
    untold = {name: VISION[name] for name in ("num_attention_heads", "hidden_act")}
    path.with_suffix(".json").write_text(json.dumps({"vision_config": untold}, indent=1) + "\n", encoding="utf-8")
