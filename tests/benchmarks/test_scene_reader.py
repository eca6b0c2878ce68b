import pytest
import torch

from benchmarks.comparison.demo_subject import DemoSubject
from benchmarks.comparison.scene_reader import PARTS, SceneReader, frechet_distance, scene_parameters
from demo_world.off_prior import CORRUPTIONS
from demo_world.painter import paint
from demo_world.scene import PROMPTS, plan
from demo_world.taste import taste


@pytest.fixture(scope="module")
def reader():
    return SceneReader.load()


@pytest.fixture(scope="module")
def scene():
    generator = torch.Generator().manual_seed(901)
    return plan(torch.randn(96, 16, 8, 8, generator=generator), torch.arange(96) % 4)


@pytest.fixture(scope="module")
def painted(scene):
    return paint(scene)[0]


def test_reads_the_scene_off_pictures_it_has_not_seen(reader, scene, painted):
    wanted = scene_parameters(scene)
    error = (reader(painted) - wanted).square().mean(0) / wanted.var(0)
    by_part = dict(zip(PARTS, error.split(list(PARTS.values())), strict=True))
    for name in ("prompt", "sun", "lit", "warmth", "contrast", "mountains", "trees"):
        assert by_part[name].mean() < 0.25, name


def test_its_taste_is_the_taste_of_the_scene(reader, scene, painted):
    both = torch.stack([reader.taste(painted), taste(scene)])
    assert torch.corrcoef(both)[0, 1] > 0.9
    assert (both[0] - both[1]).abs().mean() < 0.6


def test_true_pictures_are_near(reader, painted):
    assert 0.7 < reader.mahalanobis(painted).mean() < 1.3


@pytest.mark.parametrize("name", [*CORRUPTIONS, "inverted", "static"])
def test_other_pictures_are_farther(reader, painted, name):
    """Networks on noise that is not white, and pictures that are plainly broken.

    Pictures of striped noise and static are no farther out than true ones, each for itself: they are all alike, near
    the mean of the features. Only the distance of the distributions tells.
    """
    generator = torch.Generator().manual_seed(902)
    if name in CORRUPTIONS:
        subject, noise = DemoSubject(), torch.randn(64, 16, 8, 8, generator=generator)
        prompts = [PROMPTS[i % 4] for i in range(64)]
        with torch.no_grad():
            sound, broken = (subject.generate(x, prompts) for x in (noise, CORRUPTIONS[name](noise)))
    else:
        sound = painted
        broken = 1 - painted if name == "inverted" else torch.rand(painted.shape, generator=generator)
    if name not in ("striped", "static"):
        assert reader.mahalanobis(broken).mean() > 1.15 * reader.mahalanobis(sound).mean()
    assert reader.frechet_distance(broken) > reader.frechet_distance(sound)


def test_frechet_distance_of_diagonal_normals():
    """Where the covariances commute the distance is known: squared differences of means and standard deviations."""
    mean, other = torch.tensor([1.0, -2.0]).double(), torch.tensor([0.5, 1.0]).double()
    deviation, other_deviation = torch.tensor([2.0, 0.5]).double(), torch.tensor([1.0, 3.0]).double()
    expected = (mean - other).square().sum() + (deviation - other_deviation).square().sum()
    found = frechet_distance(mean, deviation.square().diag(), other, other_deviation.square().diag())
    assert found == pytest.approx(expected.item())


def test_a_file_round_trip_keeps_the_judgement(reader, painted, tmp_path):
    reader.save(tmp_path / "reader.safetensors")
    again = SceneReader.load(tmp_path / "reader.safetensors")
    assert torch.equal(again.mahalanobis(painted[:4]), reader.mahalanobis(painted[:4]))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="restore .*gone.safetensors"):
        SceneReader.load(tmp_path / "gone.safetensors")
