"""The stage in which a model of many steps learns which latents there are, whatever the noise was."""

from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..generator import Generator
from .stage import Stage, run, scenes

DECAY = 0.998  # of the average of the weights, each step


def train_flow(stage: Stage, flow: Generator, work: Path) -> Generator:
    """Flow matching (Lipman et al., arXiv 2210.02747) from white noise to scene latents that were drawn apart from it.

    The prompts' embeddings stay as they are. Returns `flow` with the average of its transformer's weights.
    """
    average = AveragedModel(flow.transformer, multi_avg_fn=get_ema_multi_avg_fn(DECAY))

    def loss(generator):
        with torch.no_grad():
            _, prompt, _, latent = scenes(stage, generator)
            noise = torch.randn(latent.shape, generator=generator)
            # Every batch holds noise levels from the whole range, one in each part: the loss hops less.
            sigma = (torch.arange(stage.batch) + torch.rand(stage.batch, generator=generator)) / stage.batch
            level = sigma[:, None, None, None]
            x = (1 - level) * latent + level * noise
        with torch.autocast("cpu", torch.bfloat16):
            velocity = flow.velocity(x, prompt, sigma)
        error = (velocity.float() - (noise - latent)).square().mean()
        return error, {"mse": error.item()}

    flow.conditions.requires_grad_(False)
    run(stage, {"flow": flow.transformer}, loss, work, {"flow": average})
    flow.transformer.load_state_dict(average.module.state_dict())
    return flow
