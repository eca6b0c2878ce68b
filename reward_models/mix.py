"""Several rewards as one: their weighted sum, or the same pull from each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from .base import RewardModel, at_least_float32
from .spread import Spread

WEIGHTED_SUM = "weighted sum"
EQUAL_PULL = "equal pull"
MODES = (WEIGHTED_SUM, EQUAL_PULL)


class RewardMix(RewardModel):
    """A combination of rewards s_i with weights w_i.

    The mode decides what is followed, the gradient at each image, and the value:

    - "weighted sum": sum_i w_i grad s_i, the gradient of the value sum_i w_i s_i. Weights have to balance the
      scales of the scores.
    - "equal pull": sum_i w_i grad s_i / |grad s_i|, with the norm over one image. Weights are shares of the pull
      whatever the scales. The value, by which noises are compared, counts each score in units of its own spread:
      sum_i w_i (s_i - m_i) / d_i with the mean m_i and the deviation d_i of the `Spread` that the caller has
      measured, on pictures that differ by chance. It rises with every score of positive weight. As long as the
      spreads stay the same, values can be compared. Its finite differences do not give the gradient. Without
      spreads it is sum_i w_i s_i.

    A weight of 0 watches a reward: it is scored without a gradient. A negative weight pushes away. Each
    reward is differentiated with respect to the images by itself and its graph freed, so memory holds one
    reward's graph at a time and the generator is passed backward once. First derivatives only.

    Args:
        rewards: modules called as reward(images, prompts) -> (B,), with the attributes of `RewardModel`.
        weights: one number per reward; None weighs all alike, by 1.
        mode: one of `MODES`.

    Attributes:
        names: one name per reward; a repeated name gets a number, "PickScore 2".
        needs_spreads: whether spreads matter to the order of the values: "equal pull" of two rewards or more.

    Raises:
        ValueError: no reward, another number of weights, only weights of 0, or an unknown mode.
    """

    name = "mix"

    def __init__(self, rewards: Sequence[nn.Module], weights: Sequence[float] | None = None, mode: str = WEIGHTED_SUM):
        super().__init__()
        weights = [1.0] * len(rewards) if weights is None else [float(weight) for weight in weights]
        if not rewards:
            raise ValueError("A mix needs at least one reward.")
        if len(weights) != len(rewards):
            raise ValueError(f"The mix has {len(rewards)} rewards but {len(weights)} weights; give one for each.")
        if not all(math.isfinite(weight) for weight in weights):
            raise ValueError(f"The weights of the mix must be finite numbers; got {weights}.")
        if not any(weights):
            raise ValueError("All weights of the mix are 0: there is nothing to optimize. Give one reward a weight.")
        if mode not in MODES:
            raise ValueError(f"There is no mode {mode!r} of mixing rewards; choose one of {', '.join(MODES)}.")
        self.rewards = nn.ModuleList(rewards)
        self.weights = tuple(weights)
        self.mode = mode
        self.needs_spreads = mode == EQUAL_PULL and sum(weight != 0 for weight in weights) > 1
        self.names = tuple(_unique([self.name, *(reward.name for reward in rewards)])[1:])  # the total has a name too
        self.needs_prompt = any(reward.needs_prompt for reward in rewards)
        ends = [
            sorted(weight * end for end in reward.typical_range)
            for reward, weight in zip(rewards, weights, strict=True)
        ]
        self.typical_range = (sum(low for low, _ in ends), sum(high for _, high in ends))

    def forward(self, images: Tensor, prompts: str | Sequence[str] | None = None) -> Tensor:
        """(B,) weighted sums of the scores; see `RewardModel.forward` and the class for the gradient."""
        return self.forward_with_parts(images, prompts)[0]

    def forward_with_parts(
        self,
        images: Tensor,
        prompts: str | Sequence[str] | None = None,
        spreads: Mapping[str, Spread] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The value, and every reward's score.

        Args:
            images, prompts: as in `RewardModel.forward`.
            spreads: by name, as `spreads` returns them: the units of the value; None for the weighted sum.

        Returns:
            the value (B,), and the scores by name, (B,) each, detached.

        Raises:
            ValueError: an input is wrong, or a reward with a weight has no gradient.
        """
        if not (torch.is_grad_enabled() and images.requires_grad):
            parts = self.score_all(images, prompts)
            return self.value(parts, spreads), parts
        pixels = at_least_float32(images)
        leaf = pixels.detach().requires_grad_()
        pull = torch.zeros_like(leaf)
        parts = {}
        for name, reward, weight in self._members():
            if weight == 0:
                with torch.no_grad():
                    parts[name] = reward(leaf, prompts)
                continue
            scores = reward(leaf, prompts)
            if not scores.requires_grad:
                raise ValueError(f"{name} has no gradient; give it the weight 0 to only watch it.")
            (gradient,) = torch.autograd.grad(scores.sum(), leaf)
            parts[name] = scores.detach()
            pull += weight * (_unit_per_image(gradient) if self.mode == EQUAL_PULL else gradient)
        # Zero in value, and `pull` is its gradient at each image.
        displacement = ((pixels - pixels.detach()) * pull).flatten(1).sum(dim=1)
        return self.value(parts, spreads) + displacement, parts

    @torch.no_grad()
    def score_all(self, images: Tensor, prompts: str | Sequence[str] | None = None) -> dict[str, Tensor]:
        """The score of every reward by name, (B,) each, without gradients."""
        return {name: reward(images, prompts) for name, reward, _ in self._members()}

    def spreads(self, scores: Mapping[str, Tensor]) -> dict[str, Spread]:
        """From scores (draws, B) by name, those of every reward that has a weight."""
        return {
            name: Spread.of(scores[name], reward.typical_range) for name, reward, weight in self._members() if weight
        }

    def value(self, parts: Mapping[str, Tensor], spreads: Mapping[str, Spread] | None = None) -> Tensor:
        """The value (B,) from the scores (B,) by name.

        Without what is only watched: 0 times what is not finite is not 0.
        """
        return torch.stack(
            [
                weight * (spreads[name].of_score(parts[name]) if spreads else parts[name])
                for name, _, weight in self._members()
                if weight
            ]
        ).sum(dim=0)

    def typical_range_in(self, spreads: Mapping[str, Spread]) -> tuple[float, float]:
        """`typical_range` of values in units of `spreads`."""
        ends = [
            sorted(weight * spreads[name].of_score(end) for end in reward.typical_range)
            for name, reward, weight in self._members()
            if weight
        ]
        return sum(low for low, _ in ends), sum(high for _, high in ends)

    def _members(self) -> Iterator[tuple[str, nn.Module, float]]:
        return zip(self.names, self.rewards, self.weights, strict=True)


def _unit_per_image(gradient: Tensor) -> Tensor:
    """Each image's gradient divided by its norm; zero stays zero."""
    norm = torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True)
    return gradient / torch.where(norm == 0, 1.0, norm)


def _unique(names: list[str]) -> list[str]:
    """Number repeated names: a, b, a -> a, b, a 2."""
    unique: list[str] = []
    for name in names:
        candidate, number = name, 2
        while candidate in unique:
            candidate, number = f"{name} {number}", number + 1
        unique.append(candidate)
    return unique
