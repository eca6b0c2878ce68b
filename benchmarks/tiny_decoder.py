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

from . import comfyui_host
from .comfyui_host import pack_module
from .shared import command_line, now, table, write_json

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


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
    from .comparison.comfyui_files import RewardFile

    if name in pack_module("reward_models.picture_statistics").STATISTICS:
        return pack_module("nodes.picture_statistics").PictureStatisticsNode.execute(name)[0]
    handle = RewardFile.parse(name).load()
    if handle.model.needs_prompt and not prompt:
        raise ValueError(f"{name}: needs a --prompt")
    return handle


def compare(vaes: dict[str, object], pictures: list[Tensor], rewards: dict[str, object], prompt: str | None) -> dict:
    """vaes: "full" and "taesd", of ComfyUI. pictures: (1, 3, H, W). rewards: handles of the pack, by name."""
    with torch.no_grad():
        latents = [vaes["full"].encode(picture.movedim(1, -1)) for picture in pictures]
    rows, seconds = {}, {name: [] for name in vaes}
    for name, handle in rewards.items():
        measured = {side: measure(vae, latents, handle, prompt) for side, vae in vaes.items()}
        scores = {side: [score for score, _, _ in found] for side, found in measured.items()}
        for side, found in measured.items():
            seconds[side] += [time for _, _, time in found]
        differences = np.subtract(scores["taesd"], scores["full"])
        cosines = [torch.cosine_similarity(a.flatten(), b.flatten(), 0).item()
                   for (_, a, _), (_, b, _) in zip(measured["full"], measured["taesd"], strict=True)]
        rows[name] = {
            "scores": scores,
            "mean_difference": differences.mean(),
            "spread_of_difference": differences.std(ddof=1),
            "spread_of_scores": np.std(scores["full"], ddof=1),
            "rank_correlation": spearmanr(scores["full"], scores["taesd"]).statistic,
            "gradient_cosine": np.mean(cosines),
        }
    return {"pictures": len(pictures), "seconds": {side: np.median(times) for side, times in seconds.items()},
            "rewards": rows}


def measure(vae, latents: list[Tensor], handle, prompt: str | None) -> list[tuple[float, Tensor, float]]:
    """For each latent: the score, its gradient, and the seconds of decoding forward and backward."""
    import comfy.model_management as management

    decode = pack_module("nodes.differentiable.vae_decode").decode
    gradients_enabled = pack_module("nodes.differentiable.host_state").gradients_enabled
    frozen_convolutions = pack_module("differentiation").frozen_convolutions
    patchers = [vae.patcher, *handle.patchers]
    management.load_models_gpu(patchers)
    for patcher in patchers:
        pack_module("nodes.differentiable.ordinary_tensors").freeze_as_ordinary(patcher.model)
    found = []
    for latent in [latents[0], *latents]:  # the first one twice: to warm up
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
        found.append((score.item(), gradient.float().cpu(), moments[1] - moments[0] + moments[3] - moments[2]))
    return found[1:]


def report(found: dict) -> str:
    seconds = found["seconds"]
    head = ("reward", "TAESD minus full", "spread of the scores", "rank correlation", "cosine of the gradients")
    rows = [[name, f"{row['mean_difference']:+.3g} ± {row['spread_of_difference']:.2g}",
             f"{row['spread_of_scores']:.3g}", f"{row['rank_correlation']:.2f}", f"{row['gradient_cosine']:.2f}"]
            for name, row in found["rewards"].items()]
    return (f"{found['pictures']} pictures; decoding, forward and backward: full VAE {seconds['full']:.3g} s, TAESD "
            f"{seconds['taesd']:.3g} s, {seconds['full'] / seconds['taesd']:.1f} times as fast.\n\n{table(head, rows)}")


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
        comfyui_host.start()
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
