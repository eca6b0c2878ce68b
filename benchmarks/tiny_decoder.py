"""What decoding by a TAESD saves, and how far rewards and their gradients follow those of the full VAE.

    COMFYUI_PATH=... python -m benchmarks.tiny_decoder --vae ae.safetensors --taesd taef1 --pictures FOLDER \\
        --rewards sharpness "sac+logos+ava1-l14-linearMSE.pth,clip_vision/clip_l.safetensors" [--json FILE]

Each picture is encoded by the full VAE; both decoders decode that latent, and each reward scores the two pictures.
Files go by their names in ComfyUI's folders. Reported are the seconds of decoding with its backward pass, the
difference of the scores (TAESD minus full) beside their spread over the pictures, the rank correlation, and the
cosine between the two gradients with respect to the latent.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from .comparison import comfyui_host

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def read_pictures(folder: Path, side: int) -> list[Tensor]:
    """(1, 3, side, side) in [0, 1] each, cut from the middle; ValueError for a folder without two pictures."""
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if len(files) < 2:
        raise ValueError(f"{folder} holds {len(files)} picture(s): name a folder with at least two (png, jpg, webp)")
    return [to_tensor(ImageOps.fit(_upright(path), (side, side)))[None] for path in files]


def _upright(path: Path) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def load_vae(name: str):
    import nodes  # ComfyUI's

    known = nodes.VAELoader.INPUT_TYPES()["required"]["vae_name"][0]
    if name not in known:
        raise ValueError(f"there is no VAE {name!r} in this ComfyUI; Load VAE lists {', '.join(known)}")
    return nodes.VAELoader().load_vae(name)[0]


def load_reward(name: str):
    """A `RewardHandle` of the pack: of a picture statistic, or of a file in models/reward_models."""
    from .comparison.comfyui_files import RewardFile

    node = comfyui_host.pack_module("nodes.picture_statistics").PictureStatisticsNode
    if name in comfyui_host.pack_module("reward_models.picture_statistics").STATISTICS:
        return node.execute(name)[0]
    return RewardFile.parse(name).load()


def compare(vaes: dict[str, object], pictures: list[Tensor], rewards: dict[str, object], prompt: str | None) -> dict:
    """vaes: "full" and "taesd", of ComfyUI. pictures: (1, 3, H, W). rewards: handles of the pack, by name."""
    with torch.no_grad():
        latents = [vaes["full"].encode(picture.movedim(1, -1)) for picture in pictures]
    measured = {name: _measure(vae, latents, rewards, prompt) for name, vae in vaes.items()}
    full, tiny = measured["full"], measured["taesd"]
    rows = {}
    for name in rewards:
        scores = {side: [score for score, _ in found[name]] for side, found in (("full", full), ("taesd", tiny))}
        differences = [b - a for a, b in zip(scores["full"], scores["taesd"], strict=True)]
        cosines = [
            torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()
            for (_, a), (_, b) in zip(full[name], tiny[name], strict=True)
        ]
        rows[name] = {
            "scores": scores,
            "mean_difference": statistics.mean(differences),
            "spread_of_difference": statistics.stdev(differences),
            "spread_of_scores": statistics.stdev(scores["full"]),
            "rank_correlation": _rank_correlation(scores["full"], scores["taesd"]),
            "gradient_cosine": statistics.mean(cosines),
        }
    seconds = {name: statistics.median(found["seconds"]) for name, found in measured.items()}
    return {"pictures": len(pictures), "seconds": seconds, "rewards": rows}


def _measure(vae, latents: list[Tensor], rewards: dict[str, object], prompt: str | None) -> dict:
    """Score and gradient of the latent, by reward and picture; seconds of decoding forward and backward."""
    import comfy.model_management as management

    pack = comfyui_host.pack_module
    decode = pack("nodes.differentiable.vae_decode").decode
    gradients_enabled = pack("nodes.differentiable.host_state").gradients_enabled
    frozen_convolutions = pack("optimization").frozen_convolutions
    found = {"seconds": [], **{name: [] for name in rewards}}
    for name, handle in rewards.items():
        patchers = [vae.patcher, *handle.patchers]
        management.load_models_gpu(patchers)
        for patcher in patchers:
            pack("nodes.differentiable.ordinary_tensors").freeze_as_ordinary(patcher.model)
        for index, latent in enumerate([latents[0], *latents]):  # the first one twice: to warm up
            z = latent.detach().clone().requires_grad_(True)
            with gradients_enabled(), frozen_convolutions(vae.first_stage_model):
                started = _now(vae.device)
                picture = decode(vae, z)
                forward = _now(vae.device) - started
                device = handle.patchers[0].load_device if handle.patchers else picture.device
                score = handle.model(picture.to(device), prompt).sum()
                at_picture = torch.autograd.grad(score, picture, retain_graph=True)[0]
                started = _now(vae.device)
                gradient = torch.autograd.grad(picture, z, at_picture)[0]
                backward = _now(vae.device) - started
            if index:
                found["seconds"].append(forward + backward)
                found[name].append((score.item(), gradient.float().cpu()))
    return found


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _rank_correlation(a: list[float], b: list[float]) -> float:
    """Spearman's; equal values share a rank."""
    columns = [torch.tensor(values)[:, None] for values in (a, b)]
    ranks = [(x > x.T).sum(1) + (x == x.T).sum(1) / 2 for x in columns]
    return torch.corrcoef(torch.stack(ranks))[0, 1].item()


def table(found: dict) -> str:
    seconds = found["seconds"]
    lines = [
        f"{found['pictures']} pictures; decoding, forward and backward: full VAE {seconds['full']:.3g} s, "
        f"TAESD {seconds['taesd']:.3g} s, {seconds['full'] / seconds['taesd']:.1f} times as fast.",
        "",
        "| reward | TAESD minus full | spread of the scores | rank correlation | cosine of the gradients |",
        "|---|---|---|---|---|",
    ]
    for name, row in found["rewards"].items():
        difference = f"{row['mean_difference']:+.3g} ± {row['spread_of_difference']:.2g}"
        lines.append(
            f"| {name} | {difference} | {row['spread_of_scores']:.3g} | {row['rank_correlation']:.2f} | "
            f"{row['gradient_cosine']:.2f} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tiny_decoder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--vae", required=True, help="the full VAE, as ComfyUI's Load VAE lists it")
    parser.add_argument("--taesd", required=True, help="the TAESD for the same latents, as Load VAE lists it: taef1")
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of pictures like those you make")
    parser.add_argument("--rewards", nargs="+", required=True, metavar="STATISTIC|FILE[,BACKBONE]")
    parser.add_argument("--prompt", help="for rewards that read one")
    parser.add_argument("--side", type=int, default=512, help="pixels (512)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args(arguments)
    try:
        pictures = read_pictures(options.pictures, options.side)
        comfyui_host.start()
        with torch.inference_mode():  # as nodes do
            vaes = {"full": load_vae(options.vae), "taesd": load_vae(options.taesd)}
            rewards = {name: load_reward(name) for name in options.rewards}
        unprompted = [name for name, handle in rewards.items() if handle.model.needs_prompt and not options.prompt]
        if unprompted:
            raise ValueError(f"{', '.join(unprompted)}: needs a --prompt")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = compare(vaes, pictures, rewards, options.prompt)
    print(table(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
