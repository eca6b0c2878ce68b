"""What is kept for the backward pass and what is computed again: chosen from free memory, changed when it runs out."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import comfy.model_management
import comfy.model_patcher
import comfy.sd

from ...optimization import frozen_convolutions, saved_before_mutation
from .block_recompute import recomputed_blocks
from .decoder_blocks import decoder_blocks
from .memory import available_memory, decoder_stage, generator_stage, peak, reward_stage
from .model_presets import repeated_blocks

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recomputed:
    """Which stages compute their blocks again in the backward pass; the others keep everything."""

    generator: bool
    decoder: bool

    def __str__(self) -> str:
        stages = [name for name in ("generator", "decoder") if getattr(self, name)]
        return f"recomputing the blocks of the {' and the '.join(stages)}" if stages else "keeping everything"


# From fastest to smallest: a decoder costs less to compute again than the model that made its latent.
CHOICES = [Recomputed(*flags) for flags in ((False, False), (False, True), (True, False), (True, True))]


class BackwardPlan:
    """How the evaluations of one run remember: which blocks are recomputed, and the memory that takes.

    mode: one of ``memory.MODES``. "auto" takes the fastest choice that fits into the memory of the model's device, and
    after an out-of-memory error the next smaller one. evaluations: of the model per picture. others: models that are
    loaded beside diffusion model, VAE and rewards.

    chosen: the present choice.
    """

    def __init__(
        self,
        mode: str,
        model: comfy.model_patcher.ModelPatcher,
        vae: comfy.sd.VAE,
        rewards: list[comfy.model_patcher.ModelPatcher],
        others: list[comfy.model_patcher.ModelPatcher],
        noise_shape: tuple[int, ...],
        evaluations: int,
    ):
        self._model, self._vae = model, vae
        self._rewards = rewards
        self._noise_shape = noise_shape
        self._evaluations = evaluations
        self._short_of_memory = False
        self._patchers = [model, vae.patcher, *rewards, *others]
        can = Recomputed(bool(repeated_blocks(model.model.diffusion_model)), bool(decoder_blocks(vae)))
        if mode == "recompute" and not can.generator:
            name = type(model.model.diffusion_model).__name__
            log.warning("The blocks of %s are not known here: they are kept for the backward pass.", name)
        if mode == "auto":
            self._choices = self._falling(can)
        else:
            self._choices = [can if mode == "recompute" else CHOICES[0]]
        while len(self._choices) > 1 and not self._fits():
            self._choices.pop(0)

    @property
    def chosen(self) -> Recomputed:
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
            stack.enter_context(frozen_convolutions(self._model.model.diffusion_model, self._vae.first_stage_model))
            if self.chosen.decoder:
                stack.enter_context(recomputed_blocks(decoder_blocks(self._vae), changes_inputs=False))
            if self.chosen.generator:
                stack.enter_context(recomputed_blocks(repeated_blocks(self._model.model.diffusion_model)))
            else:  # kept blocks change their inputs in place after autograd saved them
                stack.enter_context(saved_before_mutation())
            yield

    def retry(self, error: Exception) -> bool:
        """After an error in an evaluation: whether there was too little memory and a smaller choice is left."""
        if not _out_of_memory(error) or len(self._choices) == 1:
            return False
        self._choices.pop(0)
        self._short_of_memory = True
        log.warning("Out of memory: going on from the same noise, %s.", self.chosen)
        return True

    def _falling(self, can: Recomputed) -> list[Recomputed]:
        """The choices that are possible, without those that need more than a faster one."""
        falling: list[Recomputed] = []
        for choice in CHOICES:
            possible = (can.generator or not choice.generator) and (can.decoder or not choice.decoder)
            if possible and (not falling or self._bytes(choice) < self._bytes(falling[-1])):
                falling.append(choice)
        return falling

    def _fits(self) -> bool:
        device = self._model.load_device
        arriving = sum(patcher.model_size() - patcher.loaded_size() for patcher in self._patchers)
        return self._bytes(self.chosen) + arriving < available_memory(device, self._patchers)

    def _bytes(self, choice: Recomputed) -> float:
        return peak(
            [
                generator_stage(choice.generator, self._model, self._noise_shape, self._evaluations),
                decoder_stage(choice.decoder, self._vae, self._noise_shape),
                reward_stage(self._rewards, self._noise_shape[0]),
            ]
        )


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, comfy.model_management.OOM_EXCEPTION):
        return True
    return isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
