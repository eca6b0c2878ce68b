"""What is kept for the backward pass and what is computed again: chosen from free memory, changed when it runs out."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import comfy.model_management
import comfy.model_patcher
import comfy.sd
from torch import Tensor, nn

from ...differentiation import frozen_convolutions, recompute, saved_before_mutation
from .block_recompute import recomputed_blocks
from .decoder_blocks import decoder_blocks
from .memory import (
    Stage,
    available_memory,
    decoder_stage,
    evaluations_per_picture,
    generator_stage,
    peak,
    reward_stage,
)
from .model_presets import preset_for, repeated_blocks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recomputed:
    """What is computed again in the backward pass; the rest is kept.

    Attributes:
        generator: share of its blocks.
        decoder: whether the blocks of the decoder are.
        staged: the generator runs without gradients until the latent has got its gradient from decoder and reward, and
            then once more for its own, so that they do not need memory at the same time.
    """

    generator: float
    decoder: bool
    staged: bool = False

    def __str__(self) -> str:
        parts = ["the VAE"] if self.decoder else []
        parts += [f"{self.generator:.0%} of the model"] if self.generator else []
        text = f"recomputing {' and '.join(parts)}" if parts else "keeping everything"
        return text + (", model and VAE one after the other" if self.staged else "")


GENERATOR_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
MAX_NEXT_SHARE = 0.8  # at most, of what the choice needs that ran out of memory: each attempt costs up to a step


class BackwardPlan:
    """How the evaluations of one run remember: which blocks are recomputed, and the memory that takes.

    Args:
        mode: one of `memory_modes.MODES`. "auto" takes the fastest choice that fits into the memory of the model, and
            after an out-of-memory error a smaller one. "recompute" recomputes all blocks. Both go in stages, which
            costs one more pass of the model, only after such an error.
        model, vae, rewards: what gradients go through.
        others: models that are loaded beside them.
        noise_shape: (B, C, ...).
        conditionings, steps: what the model is evaluated with, and how often, per picture.
        through_model: whether gradients go through the model, or through VAE and rewards alone.
    """

    def __init__(
        self,
        mode: str,
        model: comfy.model_patcher.ModelPatcher,
        vae: comfy.sd.VAE,
        rewards: list[comfy.model_patcher.ModelPatcher],
        others: list[comfy.model_patcher.ModelPatcher],
        noise_shape: tuple[int, ...],
        conditionings: dict[str, list[dict]],
        steps: int,
        through_model: bool = True,
    ):
        self._model, self._vae = model, vae
        self._through_model = through_model
        self._rewards = rewards
        self._noise_shape = noise_shape
        self._conditionings = conditionings
        self._steps = steps
        self._short_of_memory = False
        self._patchers = [model, vae.patcher, *rewards, *others]
        blocks = through_model and bool(repeated_blocks(model.model.diffusion_model))
        most = Recomputed(float(blocks), bool(decoder_blocks(vae)))
        if mode == "recompute" and through_model and not blocks:
            name = type(model.model.diffusion_model).__name__
            log.warning("The blocks of %s are not known here: they are kept for the backward pass.", name)
        if mode == "auto":
            self._choices = self._ladder(most)
        else:
            self._choices = [most, *self._in_stages(most)] if mode == "recompute" else [Recomputed(0.0, False)]
        # Not in stages before memory has run out: to offload more of the weights costs less than one more pass.
        while len(self._choices) > 1 and not self._choices[1].staged and not self._fits():
            self._choices.pop(0)
        log.info("For gradients, beside weights: about %.2f GiB, %s.", self.memory_required / 2**30, self.chosen)

    @property
    def chosen(self) -> Recomputed:
        """The present choice."""
        return self._choices[0]

    @property
    def memory_required(self) -> float:
        """Bytes beside the weights, for ComfyUI to make room for."""
        return self._bytes(self.chosen)

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """The context of one forward and its backward pass."""
        if self._short_of_memory:
            comfy.model_management.soft_empty_cache()
            self._short_of_memory = False
        with ExitStack() as stack:
            # Without a gradient through it, the generator is left alone: an engine is no module.
            generator = [self._model.model.diffusion_model] if self._through_model else []
            stack.enter_context(frozen_convolutions(*generator, self._vae.first_stage_model))
            if self.chosen.decoder:
                stack.enter_context(recomputed_blocks(decoder_blocks(self._vae), changes_inputs=False))
            blocks = [block for network in generator for block in repeated_blocks(network)]
            stack.enter_context(recomputed_blocks(_spread(blocks, self.chosen.generator)))
            if self.chosen.generator < 1:  # kept blocks change their inputs in place after autograd saved them
                stack.enter_context(saved_before_mutation())
            yield

    def staged(self, rollout: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """`rollout`, noise -> latent, as the present choice has it at each call."""
        again = recompute(rollout)
        return lambda noise: (again if self.chosen.staged else rollout)(noise)

    def retry(self, error: Exception) -> bool:
        """After an error in an evaluation: whether there was too little memory and a smaller choice is left."""
        if not out_of_memory(error) or len(self._choices) == 1:
            return False
        enough = MAX_NEXT_SHARE * self._bytes(self._choices.pop(0))
        while len(self._choices) > 1 and self._bytes(self.chosen) > enough:
            self._choices.pop(0)
        self._short_of_memory = True
        log.warning("Out of memory: going on from the same noise, %s.", self.chosen)
        return True

    def _ladder(self, most: Recomputed) -> list[Recomputed]:
        """From fastest to smallest, without choices that need no less than a faster one; at last in stages."""
        possible = [
            Recomputed(share, decoder)
            for share in GENERATOR_SHARES
            for decoder in (False, True)
            if share <= most.generator and decoder <= most.decoder
        ]
        decoding = preset_for(self._model).decoding / evaluations_per_picture(self._conditionings, self._steps)
        falling: list[Recomputed] = []
        for choice in sorted(possible, key=lambda choice: choice.generator + decoding * choice.decoder):
            if not falling or self._bytes(choice) < self._bytes(falling[-1]):
                falling.append(choice)
        return [*falling, *self._in_stages(most)]

    def _in_stages(self, most: Recomputed) -> list[Recomputed]:
        return [replace(most, staged=True)] if self._through_model else []

    def _fits(self) -> bool:
        device = self._model.load_device
        arriving = sum(patcher.model_size() - patcher.loaded_size() for patcher in self._patchers)
        reserved = comfy.model_management.extra_reserved_memory()  # for other programs: --reserve-vram
        return self._bytes(self.chosen) + arriving + reserved < available_memory(device, self._patchers)

    def _bytes(self, choice: Recomputed) -> float:
        if self._through_model:
            generator = generator_stage(
                choice.generator, choice.staged, self._model, self._noise_shape, self._conditionings, self._steps
            )
        else:
            generator = Stage(0.0, self._model.memory_required(self._noise_shape))
        return peak(
            [
                generator,
                decoder_stage(choice.decoder, self._vae, self._noise_shape),
                reward_stage(self._rewards, self._noise_shape[0]),
            ]
        )


def _spread(blocks: list[nn.Module], share: float) -> list[nn.Module]:
    """A share of the blocks, evenly spread: they differ in size along the model."""
    return [block for index, block in enumerate(blocks) if int((index + 1) * share) > int(index * share)]


# What CUDA's libraries say when there is no room for their handles and workspaces, beside PyTorch's own error.
NO_ROOM = ("out of memory", "alloc_failed", "unable to find an engine")


def out_of_memory(error: Exception) -> bool:
    """Whether an error is a lack of memory."""
    is_oom = getattr(comfy.model_management, "is_oom", None)  # newer ComfyUIs; it also clears CUDA's pending error
    if isinstance(error, comfy.model_management.OOM_EXCEPTION) or (is_oom is not None and is_oom(error)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in NO_ROOM)
