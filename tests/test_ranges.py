"""Every number of a configuration has a range; nothing that is no finite number passes."""

import math
from collections.abc import Callable

import pytest

from stylewav_pl.callbacks import Dashboard, ResultsWriter
from stylewav_pl.data import BuiltinVoices, ClipDataModule, CommonVoice, Population
from stylewav_pl.data.populations import Populations
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.loggers import WandbLog
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.convergence import EarlyStop
from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.phases import Refinement
from stylewav_pl.optimisation.schedules import RampUpCosineDown
from stylewav_pl.optimisation.start import Start
from stylewav_pl.ranges import check_number


def model(cohort_size: float = 2, **settings: float) -> StyleWav:
    return StyleWav(
        LinearGenerator(), LinearImageTextEmbedder(), LinearAudioEmbedder(), cohort_size, **settings
    )


def data(**settings: float) -> ClipDataModule:
    return ClipDataModule([BuiltinVoices(1)], **settings)


def common_voice(**settings: object) -> CommonVoice:
    return CommonVoice("nowhere", "sex", {"male": Population(1)}, **settings)


def populations(count: int = 1, **settings: int) -> Populations:
    return Populations("sex", {"male": Population(count)}, **settings)


# setting -> what takes it, a value at each end of its range, values beyond them
RANGES: dict[str, tuple[Callable[..., object], tuple[float, ...], tuple[float, ...]]] = {
    "num_steps": (model, (1, 1_000_000), (0, -1, 10**20)),
    "cohort_size": (model, (1, 1000), (0, 10**10)),
    "full_steps": (Refinement, (0, 1_000_000), (-1, 10**20)),
    "recompute_from": (Speed, (1, 1024), (0, -4)),
    "truncation": (Start, (0.0, 1.0), (-0.1, 1.1, math.nan, math.inf)),
    "similarity": (Objective, (-1e6, 1e6), (1e308, -1e308, math.nan, math.inf)),
    "distance_to_start": (Objective, (0.0, 1e6), (-1.0, 1e308, math.nan, math.inf)),
    "logit_scale": (Objective, (-1e6, 1e6), (1e308, math.nan, math.inf)),
    "ramp_up": (RampUpCosineDown, (1e-9, 1.0), (0.0, -0.5, 1.5, math.nan, math.inf)),
    "ramp_down": (RampUpCosineDown, (1e-9, 1.0), (0.0, -0.5, 1.5, math.nan, math.inf)),
    "patience": (EarlyStop, (1, 1_000_000), (0, -1, 10**20)),
    "min_gain": (EarlyStop, (0.0, 2.0), (-0.1, 2.1, math.nan, math.inf)),
    "num_workers": (data, (0, 1024), (-1, 100_000)),
    "max_clips": (data, (1, 10**9), (0, -1)),
    "seconds": (data, (0.5, 3600.0), (0.4, 3601.0, math.nan, math.inf)),
    "min_seconds": (data, (0.1, 5.0), (0.0, -1.0, 5.1, math.nan)),
    "per_sex": (BuiltinVoices, (1, 40), (0, -1, 10**20)),
    "min_words": (common_voice, (0, 100), (-1, 10**20)),
    "count": (populations, (1, 10**9), (0, -1, 10**20)),
    "clips_per_speaker": (populations, (1, 1000), (0, -1, 10**20)),
    "workers": (ResultsWriter, (1, 256), (0, -1, 1_000_000)),
    "queue": (ResultsWriter, (1, 1000), (0, -1, 10**20)),
    "faces": (Dashboard, (0, 1000), (-1, 10**20)),
    "table_rows": (Dashboard, (0, 1_000_000), (-1, 10**20)),
    "connect_seconds": (WandbLog, (0.0, 3600.0), (-1.0, math.nan, math.inf)),
    "upload_seconds": (WandbLog, (0.0, 3600.0), (-1.0, math.nan, math.inf)),
}
INSIDE = [(name, value) for name, (_, inside, _) in RANGES.items() for value in inside]
OUTSIDE = [(name, value) for name, (_, _, outside) in RANGES.items() for value in outside]


@pytest.mark.parametrize(("setting", "value"), INSIDE)
def test_the_ends_of_a_range_belong_to_it(setting: str, value: float) -> None:
    RANGES[setting][0](**{setting: value})


@pytest.mark.parametrize(("setting", "value"), OUTSIDE)
def test_what_is_outside_is_named_with_what_was_found(setting: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        RANGES[setting][0](**{setting: value})
    assert setting in str(caught.value)
    assert str(value) in str(caught.value)


@pytest.mark.parametrize("seconds", [(0.0, 5.0), (5.0, 4.0), (1.0, math.inf), (math.nan, 5.0)])
def test_durations_of_common_voice_are_finite_and_in_order(seconds: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="shortest <= longest seconds"):
        common_voice(seconds=seconds)


@pytest.mark.parametrize("candidates", [0, -1, 10**11])
def test_start_candidates_have_a_range_and_need_a_truncation(candidates: int) -> None:
    with pytest.raises(ConfigError, match=r"start\.candidates .*found"):
        Start(truncation=0.3, candidates=candidates)
    with pytest.raises(ConfigError, match=r"start\.candidates of 1 where every clip starts at the mean"):
        Start(candidates=2)


def test_a_range_without_its_lower_end_says_so() -> None:
    with pytest.raises(
        ConfigError, match=r"^Expected x above 0 and at most 1, found 0\. Correct it\. Why\.$"
    ):
        check_number("x", 0, above=0, most=1, advice="Why.")
    check_number("x", None, least=3)
