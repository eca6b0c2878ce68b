"""Each flaw is named, white noise is not accused."""

import pytest
import torch

from preconditioning import describe_whiteness, project_white_gaussian

pytestmark = pytest.mark.numerical

WHITE = "looks like white noise"


def white(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def standard(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean()) / x.std()


X = white(1, 4, 32, 48)
ROWS, COLUMNS = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
SPIKE = torch.zeros_like(X)
SPIKE[0, 2, 7, 7] = 9
FLAWS = {
    "horizontal stripes: correlation 0.49 at distance 1": standard(X + X.roll(1, -1)),
    "vertical stripes: correlation 0.5 at distance 3": standard(X + X.roll(3, -2)),
    "blurred or coarse pattern: correlation": standard(X + X.roll(1, -1) + X.roll(1, -2) + X.roll((1, 1), (-1, -2))),
    "alternating pattern: correlation": standard(X - 0.7 * X.roll(1, -1) - 0.7 * X.roll(1, -2)),
    "columns alternate: correlation": standard(X - X.roll(1, -1)),
    "rows alternate: correlation": standard(X - X.roll(1, -2)),
    "one frequency dominates": standard(X + 0.25 * torch.cos(COLUMNS * 2 * torch.pi / 6 + ROWS)),
    "too long: its norm is 1.25": X * 1.25 / X.square().mean().sqrt(),
    "too short: its norm is 0.7": X * 0.7 / X.square().mean().sqrt(),
    "off centre: its mean is 0.3": X - X.mean() + 0.3,
    "heavy tails: excess kurtosis": standard(X**3),
    "light tails: excess kurtosis": standard(X.sign() * X.abs() ** 0.5),
    "lopsided: skewness": standard((0.3 * X).exp()),
    "no bell curve": standard(X + 3 * (white(1, 4, 32, 48, seed=1) > 0)),
    "a single extreme value": X + SPIKE,
    "a loud area around row 16, column 24": X * (1 + ((ROWS - 16).abs() < 5) * ((COLUMNS - 24).abs() < 5)),
    "no noise at all": torch.full_like(X, 0.2),
}


@pytest.mark.parametrize("verdict", FLAWS)
def test_each_flaw_is_named(verdict: str) -> None:
    assert verdict in describe_whiteness(FLAWS[verdict])


def right_half(x: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    return torch.cat([x[..., : x.shape[-1] // 2], made], -1)


def with_channel(x: torch.Tensor, channel: int, values: torch.Tensor | float) -> torch.Tensor:
    x = x.clone()
    x[:, channel] = values
    return x


def left(x: torch.Tensor) -> torch.Tensor:
    return x[..., : x.shape[-1] // 2]


HIDDEN_FLAWS = {
    "repeated left-right": (lambda x: right_half(x, left(x)), "repeats itself: correlation 1 after"),
    "repeated, sign changed": (lambda x: right_half(x, -left(x)), "repeats itself: correlation -1 after"),
    "repeated top-bottom": (lambda x: right_half(x.mT, left(x.mT)).mT, "repeats itself: correlation 1 after"),
    "mirrored left-right": (lambda x: right_half(x, left(x).flip(-1)), "mirrored left to right"),
    "mirrored, sign changed": (lambda x: right_half(x, -left(x).flip(-1)), "mirrored left to right"),
    "mirrored top-bottom": (lambda x: right_half(x.mT, left(x.mT).flip(-1)).mT, "mirrored top to bottom"),
    "turned by half": (lambda x: right_half(x, left(x).flip(-1, -2)), "turned by half"),
    "copied channel": (lambda x: with_channel(x, 2, x[:, 0]), "channels 1 and 3 are alike: correlation 1"),
    "sign-flipped channel": (lambda x: with_channel(x, 2, -x[:, 0]), "channels 1 and 3 are opposites: correlation -1"),
    "mirrored channel": (lambda x: with_channel(x, 2, x[:, 0].flip(-1)), "mirrored left to right"),
    "one repeated channel": (lambda x: with_channel(x, 1, right_half(x, left(x))[:, 1]), "channel 2, shifted, is like"),
    "silent channel": (lambda x: with_channel(x, 3, 0.0), "channel 4 holds nothing but 0"),
    "faint channel": (lambda x: with_channel(x, 3, 0.5 * x[:, 3]), "channel 4 has 0."),
    "hole": (lambda x: x * ((torch.arange(x.shape[-1]) > 9) | (torch.arange(x.shape[-2]) > 9)[:, None]), "holes: "),
    "rounded to 0.25": (lambda x: (4 * x).round() / 4, "rounded: "),
}


@pytest.mark.parametrize("shape", [(4, 64, 64), (16, 32, 32), (16, 128, 128)], ids=str)
@pytest.mark.parametrize("flaw", HIDDEN_FLAWS)
def test_what_a_histogram_and_a_spectrum_do_not_show(flaw: str, shape: tuple[int, ...]) -> None:
    spoil, verdict = HIDDEN_FLAWS[flaw]
    for noise in [white(1, *shape), project_white_gaussian(white(1, *shape, seed=1))][: 1 if shape[-1] > 64 else 2]:
        assert verdict in describe_whiteness(spoil(noise))


@pytest.mark.parametrize("flaw", ["silent channel", "hole", "rounded to 0.25", "sign-flipped channel"])
def test_flaws_of_the_noise_of_a_picture_of_64_pixels(flaw: str) -> None:
    noise = white(1, 16, 8, 8)
    if flaw == "hole":
        noise[..., 2:4, 3:5] = 0
    else:
        noise = HIDDEN_FLAWS[flaw][0](noise)
    assert describe_whiteness(noise) != WHITE


def test_a_line_of_values_has_neighbours_too() -> None:
    x = white(1, 3000)
    assert describe_whiteness(standard(x + x.roll(1, 1))).startswith("neighbours are alike: correlation 0.5")
    assert describe_whiteness(standard(x - x.roll(1, 1))).startswith("neighbours alternate: correlation -0.5")
    far = describe_whiteness(standard(x + 0.5 * x.roll(400, 1)))
    assert far.startswith("repeats itself: correlation 0.38 after 400 elements")


def test_a_band_that_is_too_strong() -> None:
    spectrum = torch.fft.rfft(white(1, 8192))
    spectrum[:, 1000:1250] *= 1.4
    assert describe_whiteness(standard(torch.fft.irfft(spectrum))).startswith("uneven spectrum: 2 times")


@pytest.mark.parametrize(
    "shape", [(4, 64, 64), (16, 24, 24), (4, 8, 8), (16, 8, 8), (500,), (16, 1, 16, 16), (8, 3, 16, 16), (4, 10, 14)]
)
def test_white_noise_is_never_accused(shape: tuple[int, ...]) -> None:
    for seed in range(12):
        noise = white(1, *shape, seed=seed)
        for same in (noise, project_white_gaussian(noise), noise.bfloat16()):
            assert describe_whiteness(same) == WHITE


def test_samples_are_described_one_by_one() -> None:
    verdict = describe_whiteness(torch.cat([X, 2 * X]))
    assert verdict.splitlines()[0] == f"sample 1: {WHITE}"
    assert verdict.splitlines()[1].startswith("sample 2: too long: its norm is 1.99")


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (torch.zeros(64), r"shape \(batch, \.\.\.\)"),
        (torch.zeros(1, 15), "at least 16 elements"),
        (torch.full((1, 16), torch.nan), "NaN or infinite"),
    ],
)
def test_unusable_noise_is_refused(noise: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        describe_whiteness(noise)
