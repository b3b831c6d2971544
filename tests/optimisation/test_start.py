"""A truncation that is for the coarse layers alone: samples in company, and what is refused."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from one_cohort import CountingAudio, CountingGuide, optimise, small_stylegan2

from stylewav_pl.errors import ConfigError
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.inversion import Inversion
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus
from stylewav_pl.optimisation.start import Start
from stylewav_pl.optimisation.tuning import Tuning
from stylewav_pl.runs.plan import clip_seed

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none

COARSE = Start(0.5, truncation_cutoff=1)


def system(space: LatentSpace, start: Start = COARSE) -> StyleWav:
    settings = {"start": start, "num_steps": 1, "seed": 3, "frame_steps": (0,)}
    return StyleWav(small_stylegan2(), CountingGuide(), CountingAudio(), 3, space, **settings)


@pytest.mark.parametrize("space", [WPlus(), S()], ids=lambda space: space.name)
def test_the_coarse_layers_alone_are_pulled_to_the_mean(space: LatentSpace) -> None:
    result = optimise(system(space), ["a", None, "b"])
    other = optimise(system(space), [None, "b", "c"])
    network = small_stylegan2()
    for row, id in enumerate("ab"):
        z = torch.randn(network.z_dim, generator=torch.Generator().manual_seed(clip_seed(3, id)))
        own = network.map(z[None])
        rows = [network.w_mean + 0.5 * (own[0] - network.w_mean)] + [own[0]] * (network.num_ws - 1)
        torch.testing.assert_close(result.frames[row, 0], network.synthesize(torch.stack(rows)[None])[0])
    torch.testing.assert_close(other.latents[0], result.latents[1], atol=1e-5, rtol=0)


def test_the_most_similar_of_several_is_taken() -> None:
    many = Start(0.5, candidates=3, truncation_cutoff=1)
    first = optimise(system(WPlus()), ["a", None, None])
    best = optimise(system(WPlus(), many), ["a", None, None])
    assert best.curves[0, 0] >= first.curves[0, 0]
    assert not torch.equal(best.latents[0, 0], best.latents[0, 1])


@pytest.mark.parametrize(
    "settings",
    [
        {"truncation_cutoff": 8},
        {"truncation": 1.0, "truncation_cutoff": 8},
        {"truncation": 0.7, "truncation_cutoff": 8, "prior": "pocket"},
        {"truncation": 0.7, "truncation_cutoff": -1},
    ],
)
def test_a_cutoff_without_anything_to_cut(settings) -> None:
    with pytest.raises(ConfigError, match=r"model\.start\.truncation_cutoff"):
        Start(**settings)


def test_a_cutoff_that_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="W has one vector for all of them"):
        system(W())
    with pytest.raises(ConfigError, match=r"truncation_cutoff.*4"):
        system(WPlus(), Start(0.5, truncation_cutoff=5))


def starts_that_are_told() -> list[tuple[str, str]]:
    """Each configuration and what documents and comments lay over its start."""
    root = Path(__file__).parents[2]
    pages = [*(root / "docs").glob("*.md"), *(root / "configs").rglob("*.yaml"), root / "README.md"]
    pattern = re.compile(r"--config (configs/\S+) .*--model\.start '(\{.*?\})'")
    return [found for page in pages for found in pattern.findall(page.read_text("utf-8"))]


@pytest.mark.parametrize(("configuration", "words"), starts_that_are_told())
def test_a_start_that_documents_name_is_one(configuration: str, words: str) -> None:
    """It is laid over that of the configuration, key by key."""
    shipped = yaml.safe_load((Path(__file__).parents[2] / configuration).read_text("utf-8"))
    told = {**shipped["model"]["start"], **json.loads(words)}
    told["truncation"] = float(told["truncation"])  # YAML and JSON read 0 as a whole number
    records = {"tuning": Tuning, "inversion": Inversion}
    for name in records.keys() & told.keys():
        told[name] = records[name](**told[name])
    start = Start(**told)
    assert start.is_given or start.prior
    assert not (start.is_given and start.truncation)
