"""Learning-rate shapes against StyleCLIP's own words, written down another way."""

import math

import pytest

from stylewav_pl.optimisation.schedules import Constant, RampUpCosineDown


def reference_factor(step: int, num_steps: int) -> float:
    """StyleCLIP's schedule by cases instead of clipped products: rise over 5 %, hold, cosine fall over the
    last 25 %."""
    t = step / num_steps
    rise = t / 0.05 if t < 0.05 else 1.0
    if t <= 0.75:
        return rise
    return rise * math.sin(math.pi / 2 * (1 - t) / 0.25) ** 2  # (1 - cos 2x) / 2 = sin^2 x


@pytest.mark.parametrize("num_steps", [1, 7, 10, 40, 300])
def test_styleclip_schedule(num_steps: int) -> None:
    schedule = RampUpCosineDown()
    for step in range(num_steps):
        assert schedule.factor(step / num_steps) == pytest.approx(
            reference_factor(step, num_steps), abs=1e-12
        )


def test_ten_steps_of_the_paper() -> None:
    found = [RampUpCosineDown().factor(step / 10) for step in range(10)]
    assert found[0] == 0.0, "the first step does not move the latent"
    assert found[1:8] == [1.0] * 7
    assert found[8:] == pytest.approx([math.sin(0.4 * math.pi) ** 2, math.sin(0.2 * math.pi) ** 2])


def test_shares_of_rise_and_fall_are_settings() -> None:
    schedule = RampUpCosineDown(ramp_up=0.5, ramp_down=0.5)
    assert [schedule.factor(t) for t in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx(
        [0.0, 0.5, 1.0, 0.5, 0.0]
    )


def test_constant() -> None:
    assert {Constant().factor(t / 10) for t in range(10)} == {1.0}
