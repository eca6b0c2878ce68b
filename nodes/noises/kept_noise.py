"""A noise that a run keeps as a file by itself."""

import os

from ...runs.noise_format import write_noise
from ...runs.noise_history import NoiseHistory
from ...runs.run_result import RunResult
from .noise_files import new_file


def keep_noise(prefix: str, result: RunResult, history: NoiseHistory, seed: int, batch_index: list[int] | None) -> str:
    """Write the best noise of a result beside those of Save Noise; returns a sentence on where it is, or why nowhere.

    A disk that is full or cannot be written must not cost the run its result.
    """
    noise = result.record.best_noise
    try:
        folder, subfolder, file = new_file(prefix)
        write_noise(os.path.join(folder, file), noise, seed, history, {}, batch_index)
    except (OSError, ValueError) as error:
        return f"The best noise from before could not be kept: {error}"
    return f"The best noise from before is kept as {os.path.join(subfolder, file)}: Load Noise brings it back."
