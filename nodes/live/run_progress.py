"""What the user sees while an ascent runs: progress bar, and the live view on the node."""

import math
import time

import comfy.cli_args
import comfy.model_management
import comfy.utils
import comfy_execution.utils
from comfy_api.latest import io
from server import PromptServer
from torch import nn

from ...optimization import RunRecord, Step, Stopping
from ...reward_models import RewardMix
from ...runs.kept_images import KeptImages, grid, jpeg
from ...runs.live_run import DONE, FAILED, LIVE_RUNS, LiveRun
from ...runs.score_history import ScoreHistory
from ...runs.scores_in_words import finite_mean, in_seeds

EVENT = "gper.ascent"
STOPPED = "by hand, and the best noise was kept"
STOPPED_TILTING = "by hand, and the remaining steps took plain noise"
THUMBNAIL_SIDE = 192
SECONDS_BETWEEN_IMAGES = 1.0
STEPS_AVERAGED = 20


class RunProgress:
    """A callback for an ascent and the context in which it runs; leaving it says that the run is over.

    Called, it raises ComfyUI's interrupt when the user cancels. The text that it returns ends the run: Stop and keep,
    or a watched reward that fell.

    Args:
        reward: what is climbed.
        scores: of the run, which reads each step here.
        stopping: of the run, for the time that is left.
        preview_every: steps between images, 0 for images at the start and the end alone.
        hidden: the node's; without an id in it, as where no server runs, nothing is shown.
        settings: the method in words.
        sampling: whether the run is a sampling, which cannot keep an earlier picture, and whose own node shows its bar.

    Attributes:
        images: of the start and the best noises, small.
    """

    def __init__(
        self,
        reward: nn.Module,
        scores: ScoreHistory,
        stopping: Stopping,
        preview_every: int,
        hidden: io.HiddenHolder,
        settings: str = "",
        sampling: bool = False,
    ):
        self.scores = scores
        self.stopping = stopping
        self.preview_every = preview_every
        self.images = KeptImages()
        self.bar = None if sampling else comfy.utils.ProgressBar(stopping.steps, node_id=hidden.unique_id)
        self.live = _open(reward, stopping.steps, settings, hidden, sampling)
        self._stopped = STOPPED_TILTING if sampling else STOPPED
        self.record: RunRecord | None = None
        self._images_due = True
        self._images_shown = -math.inf

    def __enter__(self) -> "RunProgress":
        if self.live.node:
            LIVE_RUNS.add(self.live)
        self._send()
        return self

    def __call__(self, step: Step) -> str | None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        self.record = step.record
        self._images_due |= self.images.add(step)
        watched_fell = self.scores.read(step, self.images)
        self._images_due |= watched_fell is not None  # the best ones are earlier ones again
        self._note(step)
        preview = None
        if step.index == 0 or (self.preview_every and step.index % self.preview_every == 0):
            preview = self._show_images()
        evaluations = step.record.ascent_start + self.stopping.steps
        if self.bar is not None:
            self.bar.update_absolute(step.index, evaluations, preview)
        self._send()
        return self._stopped if self.live.stop_requested else watched_fell

    def __exit__(self, kind, error, traceback) -> None:
        if kind is None:
            self.live.state, self.live.ended = DONE, self.record.stop_reason if self.record else ""
            self._images_shown = -math.inf
            self._show_images()
        else:
            self.live.state, self.live.ended = FAILED, "cancelled, or ended by an error"
        self.live.seconds_left = None
        self._send()

    def _note(self, step: Step) -> None:
        parts = [scores[-1] for scores in self.scores.parts.values()]
        record, live = step.record, self.live
        live.seeds = record.ascent_start
        live.seconds_per_step = record.seconds_per_step
        live.seconds_left = self._seconds_left(record)
        if record.seeds and step.index >= record.seeds and live.seeds_best is None:
            live.seeds_best = finite_mean(record.start_reward)
        live.best = finite_mean(record.best_reward)
        live.in_seeds = in_seeds(self.scores.best_in_seeds(record))
        since = self.scores.fooled.since(record)
        live.warning = "" if since is None else f"likely fooled from step {since} on"
        live.history.append([finite_mean(values) for values in (step.rewards, *parts)])

    def _seconds_left(self, record: RunRecord) -> float | None:
        """None among the seeds, which do not tell how long a step takes."""
        spent = record.seconds[record.ascent_start :]
        recent = spent[1:-1][-STEPS_AVERAGED:] or spent
        left = sum(recent) / len(recent) * (self.stopping.steps - record.steps) if recent else None
        if self.stopping.seconds is None:
            return left
        budget = max(0.0, self.stopping.seconds - record.elapsed)
        return budget if left is None else min(left, budget)

    def _show_images(self) -> tuple[str, object, int] | None:
        """Bring the live view's pictures up to date, not too often; returns ComfyUI's own preview, if it is on."""
        now = time.perf_counter()
        if not self._images_due or now - self._images_shown < SECONDS_BETWEEN_IMAGES:
            return None
        self._images_due, self._images_shown = False, now
        best = grid(self.images.best)
        self.live.pictures = {
            "start": jpeg(grid(self.images.start), THUMBNAIL_SIDE),
            "best": jpeg(best, THUMBNAIL_SIDE),
        }
        self.live.picture_count += 1
        if comfy.cli_args.args.preview_method is comfy.cli_args.LatentPreviewMethod.NoPreviews:
            return None
        return ("JPEG", best, comfy.cli_args.args.preview_size)

    def _send(self) -> None:
        if self.live.node:
            server = PromptServer.instance
            server.send_sync(EVENT, self.live.event(), server.client_id)


def _open(reward: nn.Module, steps: int, settings: str, hidden: io.HiddenHolder, sampling: bool) -> LiveRun:
    node = hidden.unique_id
    if node and hidden.dynprompt:
        node = hidden.dynprompt.get_display_node_id(node)
    context = comfy_execution.utils.get_executing_context()
    told = _told_with(context.prompt_id) if context else None
    workflow = ((hidden.extra_pnginfo if told is None else told) or {}).get("workflow") or {}
    names, watched = [reward.name], [False]
    if isinstance(reward, RewardMix):
        names += reward.names
        watched += [weight == 0 for weight in reward.weights]
    return LiveRun(
        node=node or "",
        prompt=context and context.prompt_id,
        workflow=workflow.get("id"),
        curves=names,
        watched=watched,
        steps=steps,
        settings=settings,
        sampling=sampling,
    )


def _told_with(prompt_id: str) -> dict | None:
    """What came with the prompt that runs; None where that cannot be found.

    A node that ComfyUI kept from an earlier prompt knows only what came with that one.
    """
    server = getattr(PromptServer, "instance", None)
    running = server.prompt_queue.get_current_queue_volatile()[0] if server is not None else []
    for _, running_id, _, extra_data, *_ in running:
        if running_id == prompt_id:
            return extra_data.get("extra_pnginfo") or {}
    return None
