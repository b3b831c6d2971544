"""The drawn faces: ranges, determinism, smoothness, independence, and that each attribute shows."""

import pytest
import torch
from torch import Tensor

from stylewav_pl.pocket.faces import Z_DIM, attributes_of, drawing_parameters, render
from stylewav_pl.pocket.faces.attributes import AGE, BEARD, GLASSES, SEX, USED, normalise


def noise(faces: int, seed: int = 0) -> Tensor:
    return torch.randn(faces, Z_DIM, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def many() -> Tensor:
    return noise(20000)


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


@pytest.mark.parametrize("resolution", [16, 64, 128])
def test_images_have_the_promised_shape_and_range(resolution: int) -> None:
    images = render(noise(3), resolution)
    assert images.shape == (3, 3, resolution, resolution)
    assert images.min() >= -1 and images.max() <= 1
    assert images.std() > 0.2


def test_no_faces_give_no_images() -> None:
    assert render(noise(0)).shape == (0, 3, 128, 128)


def test_a_face_does_not_depend_on_its_company() -> None:
    z = noise(40)
    torch.testing.assert_close(render(z)[37:38], render(z[37:38]), rtol=0, atol=1e-5)


def test_the_same_noise_draws_the_same_face() -> None:
    assert torch.equal(render(noise(4)), render(noise(4)))


def test_the_middle_of_all_noise_is_a_face_without_glasses_or_beard_between_the_sexes() -> None:
    z = torch.zeros(1, Z_DIM)
    z[0, -1] = 8.0  # a coordinate that draws nothing gives the noise its length
    a = attributes_of(z)
    assert a.glasses < 0.01 and a.beard < 0.05 and a.baldness < 0.05
    assert abs(float(a.sex)) < 1e-6 and 0.25 < a.hair_length < 0.45


def test_only_the_direction_of_noise_counts() -> None:
    z = noise(4)
    torch.testing.assert_close(render(3.7 * z), render(z), rtol=0, atol=1e-3)


def test_resolutions_show_the_same_face() -> None:
    pooled = torch.nn.functional.avg_pool2d(render(noise(8), 128), 2)
    assert (pooled - render(noise(8), 64)).abs().mean() < 0.02


def test_a_small_step_of_noise_changes_the_image_little() -> None:
    z = noise(16)
    step = 1e-3 * noise(16, seed=1)
    assert (render(z + step) - render(z)).abs().mean() < 2e-3


def test_sex_and_age_are_independent_and_spread(many: Tensor) -> None:
    a = attributes_of(many)
    assert abs(correlation(a.sex, a.age)) < 0.03
    assert (a.sex.abs() > 0.5).float().mean() > 0.7
    assert abs(float(a.age.mean()) - 0.5) < 0.02


@pytest.mark.parametrize("name", ["skin", "warmth", "smile", "curl", "mouth_open", "glasses"])
def test_nuisance_is_independent_of_sex_and_age(many: Tensor, name: str) -> None:
    a = attributes_of(many)
    assert abs(correlation(getattr(a, name), a.sex)) < 0.03
    assert abs(correlation(getattr(a, name), a.age)) < 0.03


@pytest.mark.parametrize("name", ["background", "clothes", "hair_colour"])
def test_colours_are_independent_of_sex_and_age(many: Tensor, name: str) -> None:
    a = attributes_of(many)
    for channel in getattr(a, name).T:
        assert abs(correlation(channel, a.sex)) < 0.03
        assert abs(correlation(channel, a.age)) < 0.03


def test_glasses_are_decisive_and_at_their_base_rate(many: Tensor) -> None:
    glasses = attributes_of(many).glasses
    assert 0.25 < (glasses > 0.5).float().mean() < 0.30
    assert ((glasses > 0.2) & (glasses < 0.8)).float().mean() < 0.12


@pytest.mark.parametrize("name", ["beard", "moustache"])
def test_only_grown_men_have_beards(many: Tensor, name: str) -> None:
    a = attributes_of(many)
    hair = getattr(a, name)
    assert hair[a.sex < 0].max() < 0.05
    assert hair[a.age < 0.2].max() < 0.05
    assert 0.35 < (hair[(a.sex > 0.5) & (a.age > 0.4)] > 0.5).float().mean() < 0.50


@pytest.mark.parametrize(
    ("coordinate", "low", "high", "least"),
    [(SEX, -1.5, 1.5, 0.02), (AGE, -1.5, 0.0, 0.02), (AGE, 0.0, 1.5, 0.02), (GLASSES, -1.0, 1.5, 0.012)],
)
def test_each_main_attribute_shows(coordinate: int, low: float, high: float, least: float) -> None:
    first, second = noise(8), noise(8)
    first[:, coordinate], second[:, coordinate] = low, high
    assert (render(first) - render(second)).abs().mean() > least


def test_a_beard_shows_on_men_only() -> None:
    without, wearing = noise(8), noise(8)
    without[:, AGE] = wearing[:, AGE] = 0.3
    without[:, BEARD], wearing[:, BEARD] = -1.5, 1.5
    change = []
    for sex in (1.5, -1.5):
        without[:, SEX] = wearing[:, SEX] = sex
        change.append((render(without)[:, :, 80:] - render(wearing)[:, :, 80:]).abs().mean())
    assert change[0] > 0.02 > 10 * change[1]


def test_drawing_parameters_are_about_standardised(many: Tensor) -> None:
    parameters = drawing_parameters(many[:4000])
    assert 100 <= parameters.shape[1] <= 140
    assert parameters.mean(dim=0).abs().max() < 0.1
    assert (parameters.std(dim=0) - 1).abs().max() < 0.1


def test_coordinates_beyond_the_used_ones_draw_nothing(many: Tensor) -> None:
    z = normalise(many[:4])
    other = z.clone()
    other[:, USED.stop :] = z[:, USED.stop :].flip(1)  # of the same length
    assert torch.equal(render(z, 32), render(other, 32))
    torch.testing.assert_close(drawing_parameters(z), drawing_parameters(other))


def test_double_precision_is_kept() -> None:
    z = noise(2).double()
    assert render(z).dtype == torch.float64
    torch.testing.assert_close(render(z).float(), render(z.float()), rtol=0, atol=1e-3)
