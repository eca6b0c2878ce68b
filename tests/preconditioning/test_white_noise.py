"""The projection onto the white Gaussian set: its properties, and against brute force."""

import math

import pytest
import torch

from preconditioning import (
    block_norm_deviations,
    draw_white_gaussian,
    from_compact_spectrum,
    project_white_gaussian,
)

from .white_noise_reference import bins_of, block_bounds, reference_projection
from .white_set import in_white_set

pytestmark = pytest.mark.numerical

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SHAPES = [(1, 4), (3, 6), (2, 34), (2, 66), (2, 4, 10, 14), (2, 16, 8, 6), (1, 128, 3, 5)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_input(kind: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    length = math.prod(shape[1:])
    noise = torch.randn(shape[0], length, dtype=torch.float64, generator=generator(length))
    position = torch.arange(length, dtype=torch.float64)
    x = {
        "noise": noise,
        "cauchy": noise / torch.randn(noise.shape, dtype=torch.float64, generator=generator(length + 1)),
        "impulse": (position == 3).expand_as(noise),
        "constant": torch.full_like(noise, -0.3),
        "alternating": (1 - 2 * (position % 2)).expand_as(noise),
        "stripes": (position % 4 < 2).expand_as(noise),
        "ramp": position.expand_as(noise),
        "half silent": noise * (position < length // 2),
        "smooth": noise.cumsum(-1),
        "zero": torch.zeros_like(noise),
    }[kind]
    return x.to(dtype).reshape(shape)


KINDS = ["noise", "cauchy", "impulse", "constant", "alternating", "stripes", "ramp", "half silent", "smooth", "zero"]


@pytest.mark.parametrize("kind", ["noise", "cauchy", "ramp", "smooth"])
@pytest.mark.parametrize(("shape", "block_size"), [((6, 4), 16), ((6, 12), 6), ((4, 26), 6), ((4, 3, 10), 7)])
def test_nearest_over_every_support(kind: str, shape: tuple[int, ...], block_size: int) -> None:
    x = make_input(kind, shape)
    expected = reference_projection(x, block_size, all_supports=True)
    torch.testing.assert_close(project_white_gaussian(x, block_size), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["noise", "cauchy", "smooth"])
@pytest.mark.parametrize("block_size", [2, 5, 16, 33])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_nearest_over_support_sizes(kind: str, block_size: int, dtype: torch.dtype, tolerance: float) -> None:
    x = make_input(kind, (3, 4, 4, 9), dtype)
    expected = reference_projection(x, block_size, all_supports=False)
    z = project_white_gaussian(x, block_size)
    torch.testing.assert_close(z.double(), expected, rtol=tolerance, atol=tolerance)


def test_no_member_is_nearer() -> None:
    """Also where the nearest point is not unique, and among members next to the projection."""
    for kind in KINDS:
        for block_size in (4, 16):
            x = make_input(kind, (1, 72))
            x = x * math.sqrt(72) / x.norm().clamp_min(1e-300)
            z = project_white_gaussian(x, block_size)
            distance = (z - x).norm()
            members = draw_white_gaussian((2000, 72), block_size, generator(), torch.float64)
            step = 0.3 * torch.randn(members.shape, dtype=torch.float64, generator=generator(1))
            neighbours = project_white_gaussian(z + step, block_size)
            nearest = (torch.cat([members, neighbours]) - x).norm(dim=1).min()
            assert nearest >= distance * (1 - 1e-9), kind


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_result_is_in_the_set_and_stays_there(
    kind: str, shape: tuple[int, ...], dtype: torch.dtype, tolerance: float, device: str
) -> None:
    x = make_input(kind, shape, dtype).to(device)
    before = x.clone()
    z = project_white_gaussian(x)
    assert torch.equal(x, before) and z.data_ptr() != x.data_ptr()
    assert (z.shape, z.dtype, z.device) == (x.shape, x.dtype, x.device)
    for row in bins_of(z.cpu()):
        for start, stop in block_bounds(len(row), 16):
            length, magnitudes = stop - start, [abs(value) for value in row[start:stop]]
            assert sum(magnitudes) == pytest.approx(math.sqrt(math.pi) / 2 * length, rel=tolerance)
            assert sum(w * w for w in magnitudes) == pytest.approx(length, rel=tolerance)
    assert in_white_set(z, tolerance=tolerance).all()
    twice = project_white_gaussian(z)
    assert (twice - z).norm() <= 1e-6 * z.norm()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@pytest.mark.parametrize("scale", [1e-30, 1e-8, 3e-3, 1e8, 1e30])
@pytest.mark.parametrize("kind", ["noise", "cauchy", "impulse", "zero"])
def test_scale_does_not_matter(kind: str, scale: float, dtype: torch.dtype, tolerance: float) -> None:
    x = make_input(kind, (2, 16, 16, 12), dtype)
    z = project_white_gaussian(x)
    assert (project_white_gaussian(x * scale) - z).norm() <= tolerance * z.norm()


@pytest.mark.parametrize("shape", [(1, 16, 9, 7), (1, 4, 30, 25), (1, 16, 64, 64)])
@pytest.mark.parametrize("kind", ["impulse", "zero"])
def test_rounding_does_not_break_ties(kind: str, shape: tuple[int, ...]) -> None:
    """Equal magnitudes differ by an FFT's rounding only; that must not choose the point."""
    single, double = (project_white_gaussian(make_input(kind, shape, t)) for t in (torch.float32, torch.float64))
    assert (single - double).norm() <= 1e-5 * double.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("closeness", range(1, 16))
def test_magnitudes_that_nearly_tie(closeness: int, dtype: torch.dtype) -> None:
    """From clearly different to equal: the targets are met and kept, though the spread drowns in rounding."""
    magnitudes = 1 + 10.0**-closeness * torch.randn(4, 100, dtype=torch.float64, generator=generator(closeness))
    phases = 6.3 * torch.rand(4, 100, dtype=torch.float64, generator=generator(1))
    z = project_white_gaussian(from_compact_spectrum(torch.polar(magnitudes, phases)).to(dtype))
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert in_white_set(z, tolerance=tolerance).all()
    assert (project_white_gaussian(z) - z).norm() <= 0.1 * tolerance * z.norm()


def test_a_sample_too_small_for_its_dtype_counts_as_zero() -> None:
    x = make_input("noise", (2, 64), torch.float32)
    assert torch.equal(project_white_gaussian(x * 1e-42), project_white_gaussian(torch.zeros_like(x)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_same_input_same_finite_output(kind: str, dtype: torch.dtype) -> None:
    x = make_input(kind, (2, 4, 10, 14), torch.float64).clamp(-6e4, 6e4).to(dtype)
    z = project_white_gaussian(x)
    torch.manual_seed(7)
    assert z.isfinite().all()
    assert torch.equal(z, project_white_gaussian(x.clone()))
    norms = z.double().flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, math.sqrt(560)), rtol=5e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_worked_on_in_float32(dtype: torch.dtype) -> None:
    x = make_input("cauchy", (2, 16, 16, 12)).clamp(-1e4, 1e4).to(dtype)
    assert torch.equal(project_white_gaussian(x), project_white_gaussian(x.float()).to(dtype))


@pytest.mark.parametrize("kind", ["zero", "constant"])
def test_bins_without_a_phase_do_not_add_up_to_an_impulse(kind: str) -> None:
    """All phases zero would put a peak of a quarter of sqrt(N) or more into one element of the noise."""
    z = project_white_gaussian(make_input(kind, (1, 16, 64, 64)))
    assert z.abs().max() < 5


def test_samples_are_projected_alone() -> None:
    kinds = ["noise", "zero", "cauchy", "constant", "smooth"]
    x = torch.cat([make_input(kind, (1, 4, 6, 10)) * 10.0**i for i, kind in enumerate(kinds)])
    together = project_white_gaussian(x)
    alone = torch.cat([project_white_gaussian(sample) for sample in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)


def test_strided_views_and_inference_mode() -> None:
    x = make_input("noise", (2, 8, 6, 16)).transpose(1, 3)
    with torch.inference_mode():
        z = project_white_gaussian(x)
    assert torch.equal(z, project_white_gaussian(x.contiguous()))


def test_no_gradient_is_recorded() -> None:
    assert not project_white_gaussian(make_input("noise", (1, 64)).requires_grad_()).requires_grad


def test_white_noise_hardly_moves() -> None:
    """The paper reports a cosine of at least 0.988 over 1.1 M samples of one-step FLUX at 512 x 512."""
    x = torch.randn(32, 16, 64, 64, generator=generator())
    cosine = torch.nn.functional.cosine_similarity(x.flatten(1), project_white_gaussian(x).flatten(1))
    assert cosine.min() >= 0.988
    assert cosine.max() < 0.992  # a projection that does nothing would pass the line above


def test_true_noise_is_not_in_the_set_and_one_bin_is_noticed() -> None:
    x = torch.randn(3, 4, 8, 8, generator=generator(), dtype=torch.float64)
    assert not in_white_set(x).any()
    z = project_white_gaussian(x)
    bump = torch.zeros(128, dtype=torch.complex128)
    bump[77] = 1e-2
    z[1] += from_compact_spectrum(bump).view(4, 8, 8)
    assert in_white_set(z).tolist() == [True, False, True]
    assert in_white_set(z, tolerance=0.1).all()


def test_deviations_name_the_block() -> None:
    z = draw_white_gaussian((1, 80), generator=generator(), dtype=torch.float64)
    bins = from_compact_spectrum(torch.full((1, 40), 1.0, dtype=torch.complex128))
    one_norm, energy = block_norm_deviations(torch.cat([z, bins]))
    assert one_norm.shape == energy.shape == (2, 3)
    torch.testing.assert_close(one_norm[1], torch.full((3,), 2 / math.sqrt(math.pi) - 1).double())
    torch.testing.assert_close(energy[1], torch.zeros(3).double(), atol=1e-12, rtol=0)
    assert one_norm[0].abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_drawn_members(dtype: torch.dtype) -> None:
    z = draw_white_gaussian((2, 4, 9, 10), 8, generator(5), dtype)
    assert z.shape == (2, 4, 9, 10) and z.dtype == dtype
    assert torch.equal(z, draw_white_gaussian((2, 4, 9, 10), 8, generator(5), dtype))
    assert not torch.equal(z, draw_white_gaussian((2, 4, 9, 10), 8, generator(6), dtype))
    assert in_white_set(z, 8, tolerance=3e-2 if dtype == torch.bfloat16 else 1e-5).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 3, 5), "even number of elements, at least 4, got 15 .* 14 or 16 would work"),
        (torch.zeros(2, 2), "at least 4, got 2 .* 4 or more would work"),
        (torch.zeros(0, 4, 8, 8), r"at least one sample, got \(0, 4, 8, 8\)"),
        (torch.zeros(8), r"shape \(batch, \.\.\.\), got \(8,\)"),
        (torch.zeros(2, 8, dtype=torch.int64), "real floating-point tensor, got torch.int64"),
        (torch.zeros(2, 8, dtype=torch.complex64), "real floating-point tensor, got torch.complex64"),
        (torch.tensor([[1.0, 2, 3, 4], [1, math.nan, 3, 4]]), "sample 1 of the batch holds NaN"),
        (torch.tensor([[math.inf, 2, 3, 4], [1, 2, 3, -math.inf]]), "sample 0, 1 of the batch holds NaN"),
    ],
)
def test_unusable_input_is_named(x: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        project_white_gaussian(x)


def test_block_size_is_checked() -> None:
    with pytest.raises(ValueError, match="block_size"):
        project_white_gaussian(torch.ones(1, 8), 1)
