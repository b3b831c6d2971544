"""When a clip has converged, and what that saves."""

import pytest
import torch
from one_cohort import fit

from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import LinearGenerator
from stylewav_pl.optimisation.convergence import Convergence, EarlyStop

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none


def test_a_clip_has_converged_after_patience_without_a_rise() -> None:
    watch = Convergence(EarlyStop(patience=2, min_gain=0.1), idle=torch.tensor([False, False, True]))
    for similarities in ([0.0, 0.0, 0.0], [0.05, 0.2, 0.0]):
        watch.observe(torch.tensor(similarities))
    assert watch.converged.tolist() == [False, False, True]
    watch.observe(torch.tensor([0.09, 0.25, 0.0]))
    assert watch.converged.tolist() == [True, False, True] and not watch.over
    watch.observe(torch.tensor([0.9, 0.25, 0.0]))
    assert watch.over, "what has converged stays so"
    watch.restart()
    assert watch.converged.tolist() == [False, False, True]


def test_without_a_rule_nothing_converges() -> None:
    watch = Convergence(None, idle=torch.tensor([True]))
    watch.observe(torch.tensor([0.0]))
    assert not watch.over and watch.stopped is None


@pytest.mark.parametrize("values", [{"patience": 0}, {"min_gain": -0.1}])
def test_a_rule_that_cannot_be_is_refused(values) -> None:
    with pytest.raises(ConfigError, match=r"Expected model\.early_stop"):
        EarlyStop(**values)


def test_converged_clips_stay_as_they_are_and_end_their_cohort() -> None:
    result, model = fit(
        ["a", "b", None], num_steps=300, early_stop=EarlyStop(patience=3, min_gain=0.01), frame_steps=(0, 290)
    )
    steps = len(model.generator.asked) - 1
    assert 3 < steps < 200
    assert (result.curves[:, steps:] == result.curves[:, -1:]).all() or torch.allclose(
        result.curves[:, steps:-1], result.curves[:, -1:], atol=1e-6
    )
    assert result.curves.shape == (2, 301) and result.frames.shape[1] == 2
    torch.testing.assert_close(result.images, LinearGenerator().synthesize(result.latents))


def test_a_clip_stops_whatever_its_neighbours_do() -> None:
    rule = EarlyStop(patience=3, min_gain=0.01)
    together, _ = fit(["a", "b", "c"], num_steps=100, early_stop=rule)
    for row, name in enumerate("abc"):
        alone, _ = fit([name], num_steps=100, early_stop=rule)
        torch.testing.assert_close(together.latents[row], alone.latents[0], atol=1e-5, rtol=1e-4)


def test_a_cohort_whose_clips_were_all_skipped_has_no_step() -> None:
    result, model = fit([None, None], num_steps=20, early_stop=EarlyStop(), frame_steps=(0, 20))
    assert model.generator.asked == [8], "the final image alone, for the shapes"
    assert result.clips == () and result.curves.shape == (0, 21) and result.starts.shape[0] == 0
    assert result.frames.shape[:2] == (0, 2) and result.frame_steps == (0, 20)
