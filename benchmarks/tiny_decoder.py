"""What decoding by a TAESD saves, and how far rewards and their gradients follow those of the full VAE.

    COMFYUI_PATH=... python -m benchmarks.tiny_decoder --vae ae.safetensors --taesd taef1 --pictures FOLDER \\
        --rewards sharpness "sac+logos+ava1-l14-linearMSE.pth,clip_vision/clip_l.safetensors" [--json FILE]

Each picture is encoded by the full VAE; both decoders decode that latent, and each reward scores the two pictures.
Files go by their names in ComfyUI's folders. Reported are the seconds of decoding with its backward pass, the
difference of the scores (TAESD minus full) beside their spread over the pictures, the rank correlation, and the
cosine between the two gradients with respect to the latent.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from scipy.stats import spearmanr
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from tools import comfyui_in_process

from .shared import command_line, now, table_of, write_json

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
COLUMNS = {
    "reward": "{reward}", "TAESD minus full": "{mean_difference:+.3g} ± {spread_of_difference:.2g}",
    "spread of the scores": "{spread_of_scores:.3g}", "rank correlation": "{rank_correlation:.2f}",
    "cosine of the gradients": "{gradient_cosine:.2f}",
}


def read_pictures(folder: Path, side: int) -> list[Tensor]:
    """(1, 3, side, side) in [0, 1] each, cut from the middle; ValueError for a folder without two pictures."""
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if len(files) < 2:
        raise ValueError(f"{folder} holds {len(files)} picture(s): name a folder with at least two (png, jpg, webp)")
    upright = (ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in files)
    return [to_tensor(ImageOps.fit(picture, (side, side)))[None] for picture in upright]


def load_vae(name: str):
    import nodes  # ComfyUI's

    known = nodes.VAELoader.INPUT_TYPES()["required"]["vae_name"][0]
    if name not in known:
        raise ValueError(f"there is no VAE {name!r} in this ComfyUI; Load VAE lists {', '.join(known)}")
    return nodes.VAELoader().load_vae(name)[0]


def load_reward(name: str, prompt: str | None):
    """A `RewardHandle` of the pack: of a picture statistic, or of a file in models/reward_models."""
    from gper_pack.nodes.picture_statistics import PictureStatisticsNode
    from gper_pack.reward_models.picture_statistics import STATISTICS

    from .comparison.comfyui_subject import RewardFile

    if name in STATISTICS:
        return PictureStatisticsNode.execute(name)[0]
    handle = RewardFile.parse(name).load()
    if handle.model.needs_prompt and not prompt:
        raise ValueError(f"{name}: needs a --prompt")
    return handle


def compare(vaes: dict[str, object], pictures: list[Tensor], rewards: dict[str, object], prompt: str | None) -> dict:
    """vaes: "full" and "taesd", of ComfyUI. pictures: (1, 3, H, W). rewards: handles of the pack, by name."""
    with torch.no_grad():
        latents = [vaes["full"].encode(picture.movedim(1, -1)) for picture in pictures]
    rows, seconds = {}, {side: [] for side in vaes}
    for name, handle in rewards.items():
        scores, gradients = {}, {}
        for side, vae in vaes.items():
            # The first one twice: to warm up.
            found = [measure(vae, latent, handle, prompt) for latent in (latents[0], *latents)][1:]
            scores[side], gradients[side], taken = map(list, zip(*found, strict=True))
            seconds[side] += taken
        differences = np.subtract(scores["taesd"], scores["full"])
        cosines = torch.cosine_similarity(torch.stack(gradients["full"]), torch.stack(gradients["taesd"]))
        rows[name] = {
            "scores": scores,
            "mean_difference": differences.mean(),
            "spread_of_difference": differences.std(ddof=1),
            "spread_of_scores": np.std(scores["full"], ddof=1),
            "rank_correlation": spearmanr(scores["full"], scores["taesd"]).statistic,
            "gradient_cosine": cosines.mean().item(),
        }
    return {"pictures": len(pictures), "seconds": {side: np.median(times) for side, times in seconds.items()},
            "rewards": rows}


def measure(vae, latent: Tensor, handle, prompt: str | None) -> tuple[float, Tensor, float]:
    """The score, its gradient as one row, and the seconds of decoding forward and backward."""
    import comfy.model_management as management
    from gper_pack.differentiation import frozen_convolutions
    from gper_pack.nodes.differentiable.host_state import gradients_enabled
    from gper_pack.nodes.differentiable.ordinary_tensors import freeze_as_ordinary
    from gper_pack.nodes.differentiable.vae_decode import decode

    patchers = [vae.patcher, *handle.patchers]
    management.load_models_gpu(patchers)
    for patcher in patchers:
        freeze_as_ordinary(patcher.model)
    z = latent.detach().clone().requires_grad_(True)
    with gradients_enabled(), frozen_convolutions(vae.first_stage_model):
        moments = [now(vae.device)]
        picture = decode(vae, z)
        moments.append(now(vae.device))
        device = handle.patchers[0].load_device if handle.patchers else picture.device
        score = handle.model(picture.to(device), prompt).sum()
        at_picture = torch.autograd.grad(score, picture, retain_graph=True)[0]
        moments.append(now(vae.device))
        gradient = torch.autograd.grad(picture, z, at_picture)[0]
        moments.append(now(vae.device))
    return score.item(), gradient.float().cpu().flatten(), moments[1] - moments[0] + moments[3] - moments[2]


def report(found: dict) -> str:
    full, tiny = found["seconds"]["full"], found["seconds"]["taesd"]
    return (f"{found['pictures']} pictures; decoding, forward and backward: full VAE {full:.3g} s, TAESD {tiny:.3g} s, "
            f"{full / tiny:.1f} times as fast.\n\n"
            + table_of(COLUMNS, [{"reward": name, **row} for name, row in found["rewards"].items()]))


def main(arguments: list[str] | None = None) -> int:
    parser = command_line("tiny_decoder", __doc__)
    parser.add_argument("--vae", required=True, help="the full VAE, as ComfyUI's Load VAE lists it")
    parser.add_argument("--taesd", required=True, help="the TAESD for the same latents, as Load VAE lists it: taef1")
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of pictures like those you make")
    parser.add_argument("--rewards", nargs="+", required=True, metavar="STATISTIC|FILE[,BACKBONE]")
    parser.add_argument("--prompt", help="for rewards that read one")
    parser.add_argument("--side", type=int, default=512, help="pixels (512)")
    options = parser.parse_args(arguments)
    try:
        pictures = read_pictures(options.pictures, options.side)
        comfyui_in_process.start()
        with torch.inference_mode():  # as nodes do
            vaes = {"full": load_vae(options.vae), "taesd": load_vae(options.taesd)}
            rewards = {name: load_reward(name, options.prompt) for name in options.rewards}
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = compare(vaes, pictures, rewards, options.prompt)
    print(report(found))
    write_json(options.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
