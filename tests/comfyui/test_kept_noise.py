"""A noise that a run keeps as a file by itself."""

import re

import pytest
import torch


@pytest.fixture
def output(pack, tmp_path):
    """An output folder of one's own."""
    import folder_paths

    before = folder_paths.get_output_directory()
    folder_paths.set_output_directory(str(tmp_path))
    yield tmp_path
    folder_paths.set_output_directory(before)


def kept():
    from gper_pack.nodes.noises.kept_noise import keep_noise
    from gper_pack.optimization import RunRecord
    from gper_pack.runs.noise_history import UNKNOWN
    from gper_pack.runs.run_result import RunResult

    noise = torch.randn(1, 16, 8, 8)
    result = RunResult(RunRecord.start(noise), "x", (0.0, 1.0), noise)
    return noise, keep_noise("before_fooled", result, UNKNOWN, 7, [3])


def test_each_one_has_a_file_of_its_own(output):
    from gper_pack.runs.noise_format import read_noise

    for _ in range(2):
        noise, said = kept()
        file = re.fullmatch(r"The best noise from before is kept as (\S+): Load Noise brings it back\.", said)[1]
        saved = read_noise(str(output / "noises" / file))
        assert torch.equal(saved.noise, noise) and (saved.seed, saved.batch_index) == (7, [3])
    assert len(list((output / "noises").iterdir())) == 2


def test_a_folder_that_cannot_be_made_costs_only_the_file(output):
    (output / "noises").write_text("a file in the way")
    assert kept()[1].startswith("The best noise from before could not be kept: ")
