"""Train the networks of the demo world, write its assets, measure them and draw sample sheets.

    python -m demo_world.train [STAGE ...] [--work-dir DIR] [--assets DIR] [--threads N]

Without names every stage runs, in order; those of 64 pixels take two busy CPU cores about an hour, those of all sizes
some four core-hours more. Stages that do not need each other may run side by side. Each leaves a checkpoint in the work
directory: a stopped stage goes on where it was, a finished one is read back, by later stages too.
"""

import argparse
import logging
from pathlib import Path

import torch

from ..composition import SCALES
from ..decoder import Decoder
from ..generator import Generator
from ..realism import RealismJudge
from ..realism_detail import DetailJudge
from ..rewards import ConvolutionalTaste, PatchTaste
from ..world import ASSETS, FILES, load_flow, load_world
from .encoder import save_encoder, train_encoder
from .flow import train_flow
from .imitation import polish_decoder, train_decoder, train_generator
from .judges import (
    paint_large,
    paint_split,
    train_held_out_reward,
    train_realism,
    train_realism_detail,
    train_reward,
)
from .measure import draw_flow, draw_off_prior, draw_samples, draw_sizes, measure, measure_flow
from .sizes import train_decoder_sizes, train_generator_sizes
from .stage import Stage

logger = logging.getLogger(__name__)

DECODER = Stage("decoder", seed=1, steps=1300, batch=6, rate=2e-3)
GENERATOR = Stage("generator", seed=2, steps=1000, batch=96, rate=3e-3)
POLISH = Stage("polish", seed=3, steps=1400, batch=6, rate=1.5e-3)
PICTURES = {1: 4, 2: 3, 4: 1}  # of each scale, for the decoder
GENERATOR_SIZES = Stage("generator-sizes", seed=9, steps=2400, batch={1: 40, 2: 12, 4: 5}, rate=2e-3)
DECODER_SIZES = Stage("decoder-sizes", seed=10, steps=2000, batch=PICTURES, rate=1.5e-3)
# The largest is what is left to learn.
GENERATOR_LARGE = Stage("generator-large", seed=13, steps=3000, batch={1: 24, 2: 8, 4: 10}, rate=2e-3)
DECODER_SMALL_THINGS = Stage("decoder-small-things", seed=14, steps=4000, batch=PICTURES, rate=1.5e-3)
REWARD = Stage("reward", seed=4, steps=700, batch=48, rate=2e-3)
HELD_OUT_REWARD = Stage("held-out-reward", seed=5, steps=800, batch=64, rate=2e-3)
FLOW = Stage("flow", seed=7, steps=2500, batch=96, rate=3e-3)
REALISM = Stage("realism", seed=6, steps=900, batch=32, rate=3e-3)
REALISM_DETAIL = Stage("realism-detail", seed=12, steps=700, batch=32, rate=3e-3)
ENCODER = Stage("encoder", seed=8, steps=1500, batch=48, rate=3e-3)

LANDMARKS = 14  # tokens
# Seeds and sizes of the pictures that the rewards, the judge and the encoder see.
REALISM_DETAIL_SPLIT = (110, {2: 1500, 4: 1000})  # how many of each scale
REWARD_SPLIT, HELD_OUT_SPLIT, REALISM_SPLIT, ENCODER_SPLIT = (40, 6000), (50, 4000), (60, 6000), (30, 4000)


def decoder(work: Path, assets: Path) -> Decoder:
    torch.manual_seed(DECODER.seed)
    network = Decoder()
    train_decoder(DECODER, network, work)
    return network


def generator(work: Path, assets: Path) -> Generator:
    torch.manual_seed(GENERATOR.seed)
    network = Generator()
    train_generator(GENERATOR, network, work)
    return network


def polish(work: Path, assets: Path) -> Decoder:
    """That of 64 pixels, from which the one of all sizes starts."""
    network = decoder(work, assets)
    polish_decoder(POLISH, generator(work, assets), network, work)
    return network


def generator_sizes(work: Path, assets: Path) -> Generator:
    network = generator(work, assets)
    network.conditions.requires_grad_(False)  # generator-large trains them, with more tokens
    train_generator_sizes(GENERATOR_SIZES, network, work)
    return network


def generator_large(work: Path, assets: Path) -> None:
    network = generator_sizes(work, assets)
    network.add_context(LANDMARKS, torch.Generator().manual_seed(GENERATOR_LARGE.seed))
    network.conditions.requires_grad_(True)
    train_generator_sizes(GENERATOR_LARGE, network, work)
    network.save(assets / FILES["generator"], assets / FILES["conditions"])


def decoder_sizes(work: Path, assets: Path) -> Decoder:
    network = polish(work, assets)
    train_decoder_sizes(DECODER_SIZES, network, work)
    return network


def decoder_small_things(work: Path, assets: Path) -> None:
    network = decoder_sizes(work, assets)
    train_decoder_sizes(DECODER_SMALL_THINGS, network, work, small_things=True)
    network.save(assets / FILES["decoder"])


def flow(work: Path, assets: Path) -> None:
    torch.manual_seed(FLOW.seed)
    network = Generator()
    # Of 64 pixels: later stages give the model of one step a longer table.
    network.conditions.load_state_dict(generator(work, assets).conditions.state_dict())
    train_flow(FLOW, network, work).save(assets / FILES["flow"], assets / FILES["flow_conditions"])


def reward(work: Path, assets: Path) -> None:
    torch.manual_seed(REWARD.seed)
    network = ConvolutionalTaste()
    train_reward(REWARD, network, paint_split(*REWARD_SPLIT), work)
    network.save(assets / FILES["reward"])


def realism(work: Path, assets: Path) -> None:
    torch.manual_seed(REALISM.seed)
    network = RealismJudge()
    train_realism(REALISM, network, paint_split(*REALISM_SPLIT), work)
    network.save(assets / FILES["realism"])


def realism_detail(work: Path, assets: Path) -> None:
    seed, counts = REALISM_DETAIL_SPLIT
    torch.manual_seed(REALISM_DETAIL.seed)
    network = DetailJudge()
    pictures = [paint_large(seed, count, scale) for scale, count in counts.items()]
    train_realism_detail(REALISM_DETAIL, network, pictures, work)
    network.save(assets / FILES["realism_detail"])


def held_out_reward(work: Path, assets: Path) -> None:
    split = paint_split(*HELD_OUT_SPLIT, perturbed=decoder(work, assets))
    torch.manual_seed(HELD_OUT_REWARD.seed)
    network = PatchTaste()
    train_held_out_reward(HELD_OUT_REWARD, network, split, work)
    network.save(assets / FILES["held_out_reward"])


def encoder(work: Path, assets: Path) -> None:
    save_encoder(train_encoder(ENCODER, *ENCODER_SPLIT, work), assets / FILES["encoder"])


def report(work: Path, assets: Path) -> None:
    world, many_steps = load_world(assets=assets), load_flow(assets)
    figures = {
        f"{64 * scale} pixels, {name}": figure for scale in SCALES for name, figure in measure(world, scale).items()
    }
    for name, figure in {**figures, **measure_flow(world, many_steps)}.items():
        logger.info("%s: %.4g", name, figure)
    draw_samples(world, assets.parent / "sample_sheet.jpg")
    draw_sizes(world, assets.parent / "sizes_sheet.jpg")
    draw_off_prior(world, assets.parent / "prior_sensitivity.jpg")
    draw_flow(world, many_steps, assets.parent / "flow_sheet.jpg")


STAGES = {
    stage.name: function
    for stage, function in (
        (DECODER, decoder),
        (GENERATOR, generator),
        (POLISH, polish),
        (GENERATOR_SIZES, generator_sizes),
        (DECODER_SIZES, decoder_sizes),
        (GENERATOR_LARGE, generator_large),
        (DECODER_SMALL_THINGS, decoder_small_things),
        (FLOW, flow),
        (REWARD, reward),
        (REALISM, realism),
        (REALISM_DETAIL, realism_detail),
        (HELD_OUT_REWARD, held_out_reward),
        (ENCODER, encoder),
    )
} | {"report": report}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_world.train", description=__doc__.split("\n")[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)}; all by default")
    parser.add_argument("--work-dir", type=Path, default=Path("demo_world_training"), help="for checkpoints")
    parser.add_argument("--assets", type=Path, default=ASSETS, help="where the safetensors files go")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    unknown = sorted(set(options.stages) - set(STAGES))
    if unknown:
        parser.error(f"unknown stage {unknown[0]!r}: choose from {', '.join(STAGES)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    for folder in (options.work_dir, options.assets):
        folder.mkdir(parents=True, exist_ok=True)
    for name in options.stages or STAGES:
        STAGES[name](options.work_dir, options.assets)


if __name__ == "__main__":
    main()
