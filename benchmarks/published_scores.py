"""The reward models on their real files, against the scores their authors and others published.

    python -m benchmarks.published_scores --images PICTURES [--models FOLDER ...] [--device cuda] [--json FILE]

PICTURES holds 1.webp ... 4.webp of assets/images of github.com/THUDM/ImageReward. FOLDERs hold the weight
files under any name; default: models/reward_models and models/clip_vision of the ComfyUI at COMFYUI_PATH or
~/ComfyUI. What is absent is said and skipped; the exit code is 1 only if a score differs.
"""

import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

from reward_models import RewardFileInfo, RewardModel, inspect_reward_file, load_reward
from reward_models.affine_head import load_affine_head
from reward_models.checkpoint import open_checkpoint

from .shared import command_line, write_json

PROMPT = "a painting of an ocean with clouds and birds, day time, low depth field effect"
PICTURES = ("1", "2", "3", "4")
IMAGE_REWARD_README = "github.com/THUDM/ImageReward README"
DIFFSYNTH = "github.com/modelscope/DiffSynth-Studio, README of its image quality metrics"


def unscaled(reward: RewardModel, scores: torch.Tensor) -> torch.Tensor:
    """PickScore without its temperature, as DiffSynth-Studio prints it."""
    return scores / reward.backbone.logit_scale.detach().float().exp()


@dataclass(frozen=True)
class Published:
    """Scores of the four pictures. `tolerance`: 8-bit rounding in the original resize and printed digits."""

    kind: str
    values: tuple[float, ...]
    tolerance: float
    source: str
    marks: str = ""  # part of the file's name or description that tells variants of a kind apart
    square_only: bool = False  # published with padding where the reward crops
    convention: Callable[[RewardModel, torch.Tensor], torch.Tensor] = lambda reward, scores: scores


PUBLISHED = (
    Published("ImageReward", (0.5812, 0.2745, -1.4132, -2.0296), 0.02, IMAGE_REWARD_README),
    Published("ImageReward", (0.5812, 0.2745, -1.4159, -2.0325), 0.02, DIFFSYNTH),
    Published("LAION Aesthetic V2", (5.9009, 5.7766, 5.7999, 5.0520), 0.03, DIFFSYNTH, "sac+logos+ava1"),
    Published("PickScore", (0.20737, 0.20444, 0.20661, 0.19426), 1e-3, DIFFSYNTH, convention=unscaled),
    Published("CLIPScore", (0.38946, 0.35446, 0.33861, 0.32878), 3e-3, DIFFSYNTH, "ViT-H/14", square_only=True),
    Published("HPS v2", (0.26725, 0.25495, 0.24889, 0.24303), 2e-3, DIFFSYNTH),
    Published("HPS v2.1", (0.23211, 0.20234, 0.19783, 0.19230), 2e-3, DIFFSYNTH),
)
# What the five layers of a head come to: norm of the weight, bias. Computed in float64 from the published file.
FOLDED = (
    ("LAION Aesthetic V2", "sac+logos+ava1", "layers.", (0, 2, 4, 6, 7), (17.996, 5.2366)),
    ("Aesthetic V2.5", "", "scoring_head.", (0, 2, 4, 6, 8), (25.452, 1.9390)),
)


def main() -> int:
    comfyui = Path(os.environ.get("COMFYUI_PATH", "~/ComfyUI").split(os.pathsep)[0]).expanduser()
    parser = command_line("published_scores", __doc__)
    parser.add_argument("--images", type=Path, help="folder with 1.webp ... 4.webp")
    parser.add_argument("--models", type=Path, nargs="+", metavar="FOLDER",
                        default=[comfyui / "models" / name for name in ("reward_models", "clip_vision")])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    files = weight_files(options.models)
    pictures = read_pictures(options.images)
    rows = [check_head(files, *head) for head in FOLDED]
    for _, group in itertools.groupby(PUBLISHED, key=lambda published: (published.kind, published.marks)):
        rows += check_scores(files, pictures, list(group), options.device)

    print(f"{'reward':<24} {'input':<10} {'published':>10} {'here':>10}  result")
    for row in rows:
        for name, expected, got in zip(row["inputs"], row["published"], row["here"], strict=True):
            here = "-" if got is None else f"{got:.5g}"
            print(f"{row['kind']:<24} {name:<10} {expected:>10.5g} {here:>10}  {row['result']}")
    write_json(options.json, rows)
    results = [row["result"].split(":")[0] for row in rows]
    print(", ".join(f"{results.count(result)} {result}" for result in ("equal", "DIFFERENT", "not checked")))
    return int("DIFFERENT" in results)


def weight_files(folders: list[Path]) -> list[RewardFileInfo]:
    """Every recognised weight file below the folders; says which ones are not."""
    files = []
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        if path.suffix in (".safetensors", ".pt", ".pth", ".bin"):
            try:
                files.append(inspect_reward_file(path))
            except ValueError as error:
                print(f"passed over: {error}")
    return files


def read_pictures(folder: Path | None) -> dict[str, torch.Tensor]:
    """The pictures present in the folder, (1, 3, H, W) in [0, 1] each, by name."""
    paths = {name: folder / f"{name}.webp" for name in PICTURES} if folder else {}
    return {name: to_tensor(Image.open(path).convert("RGB"))[None] for name, path in paths.items() if path.is_file()}


def check_head(files: list[RewardFileInfo], kind: str, marks: str, prefix: str, indices: tuple[int, ...],
               folded: tuple[float, ...]) -> dict:
    info, here = find(files, kind, marks), None
    if info is not None:
        head = load_affine_head(open_checkpoint(info.path), prefix, indices)
        here = [float(head.weight.double().norm()), float(head.bias)]
    expected = Published(f"{kind} head", folded, 1e-3, "folded from the published file")
    return row_of(expected, ("|weight|", "bias"), here, f"no file of the {kind} head")


def check_scores(files: list[RewardFileInfo], pictures: dict[str, torch.Tensor], published: list[Published],
                 device: str) -> list[dict]:
    """Rows of one model, which is loaded once for all its sources."""
    first, here, missing = published[0], None, ""
    info = find(files, first.kind, first.marks)
    needs_backbone = info is not None and info.needs_backbone
    backbone = next((file for file in files if first.kind in file.backbone_for), None) if needs_backbone else None
    if info is None:
        missing = f"no file of {first.kind} {first.marks}".rstrip()
    elif needs_backbone and backbone is None:
        missing = f"no image encoder for {first.kind}"
    elif len(pictures) < len(PICTURES):
        missing = "pictures are absent (--images)"
    elif first.square_only and any(picture.shape[-1] != picture.shape[-2] for picture in pictures.values()):
        missing = "published with padding, and a picture is not square"
    else:
        reward = load_reward(info.path, first.kind, backbone and backbone.path).to(device)
        with torch.no_grad():
            scores = torch.cat([reward(pictures[name].to(device), PROMPT) for name in PICTURES])
            here = first.convention(reward, scores).tolist()
    return [row_of(each, PICTURES, here, missing) for each in published]


def find(files: list[RewardFileInfo], kind: str, marks: str) -> RewardFileInfo | None:
    fitting = (file for file in files if file.kind == kind)
    return next((file for file in fitting if marks in file.path.name or marks in file.description), None)


def row_of(published: Published, inputs: tuple[str, ...], here: list[float] | None, missing: str) -> dict:
    """here: what came out, None for what was not checked because something is `missing`."""
    if here is None:
        here, result = [None] * len(inputs), f"not checked: {missing}"
    else:
        difference = max(abs(expected - got) for expected, got in zip(published.values, here, strict=True))
        word = "equal" if difference <= published.tolerance else "DIFFERENT"
        result = f"{word}: by at most {difference:.2g}, allowed {published.tolerance:.2g}"
    return {"kind": published.kind, "inputs": list(inputs), "published": list(published.values), "here": here,
            "result": result, "source": published.source}


if __name__ == "__main__":
    sys.exit(main())
