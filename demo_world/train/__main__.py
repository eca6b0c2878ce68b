"""Train every network of the demo world and write its assets, sample sheet and measurements.

    python -m demo_world.train [--work-dir DIR] [--assets DIR] [--threads N]

Two CPU cores take about an hour and a half. Stages leave checkpoints in the work directory: a stopped run goes
on where it was, a finished stage is not run again.
"""

import argparse
import logging
from pathlib import Path

import torch

from ..decoder import Decoder
from ..generator import Generator
from ..realism import DenoisingAutoencoder
from ..rewards import ConvolutionalTaste, PatchTaste
from ..world import ASSETS, FILES
from .imitation import train_decoder, train_generator, train_jointly
from .judges import paint_split, train_held_out_reward, train_realism, train_reward
from .stage import Stage

DECODER = Stage("decoder", seed=1, steps=3000, batch=12, rate=2e-3)
GENERATOR = Stage("generator", seed=2, steps=2500, batch=96, rate=3e-3)
JOINT = Stage("joint", seed=3, steps=2500, batch=12, rate=1e-3)
REWARD = Stage("reward", seed=4, steps=1500, batch=64, rate=2e-3)
HELD_OUT_REWARD = Stage("held_out_reward", seed=5, steps=3000, batch=96, rate=2e-3)
REALISM = Stage("realism", seed=6, steps=1500, batch=48, rate=2e-3)

# Seeds and sizes of the pictures that the rewards and the judge see; the painter never repeats a noise.
REWARD_SPLIT, HELD_OUT_SPLIT, REALISM_SPLIT = (40, 8000), (50, 8000), (60, 8000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_world.train", description=__doc__.split("\n")[0])
    parser.add_argument("--work-dir", type=Path, default=Path("demo_world_training"), help="for checkpoints")
    parser.add_argument("--assets", type=Path, default=ASSETS, help="where the safetensors files go")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    work, assets = options.work_dir, options.assets
    work.mkdir(parents=True, exist_ok=True)
    assets.mkdir(parents=True, exist_ok=True)

    decoder, generator = Decoder(), Generator()
    train_decoder(DECODER, decoder, work)
    train_generator(GENERATOR, generator, work)
    train_jointly(JOINT, generator, decoder, work)
    generator.save(assets / FILES["generator"], assets / FILES["conditions"])
    decoder.save(assets / FILES["decoder"])

    reward, held_out, judge = ConvolutionalTaste(), PatchTaste(), DenoisingAutoencoder()
    train_reward(REWARD, reward, paint_split(*REWARD_SPLIT), work)
    train_held_out_reward(HELD_OUT_REWARD, held_out, paint_split(*HELD_OUT_SPLIT, perturbed=decoder), work)
    train_realism(REALISM, judge, paint_split(*REALISM_SPLIT), work)
    reward.save(assets / FILES["reward"])
    held_out.save(assets / FILES["held_out_reward"])
    judge.save(assets / FILES["realism"])


if __name__ == "__main__":
    main()
