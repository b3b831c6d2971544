"""A generator that is tuned to a photo: nearer to it, alone, kept, and never left changed."""

import json
import re
from pathlib import Path

import pytest
import torch
from one_cohort import CountingAudio, CountingGuide, optimise
from safetensors.torch import load
from torch import Tensor

from stylewav_pl.callbacks.writer import latent_file
from stylewav_pl.cli import main
from stylewav_pl.embedders.linear import LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.generators import LinearGenerator, StyleGAN2
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation import latent_files
from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.inversion import Inversion, psnr
from stylewav_pl.optimisation.latent_files import read_latent
from stylewav_pl.optimisation.latents import W
from stylewav_pl.optimisation.photo_start import prepare_given
from stylewav_pl.optimisation.prompts import Prompt
from stylewav_pl.optimisation.start import Start
from stylewav_pl.optimisation.tuning import Tuning, check_delta, tune, tuned
from stylewav_pl.pictures.images import to_picture
from stylewav_pl.types import CohortResult

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none

PIXELS = Inversion(steps=10, perceptual=0.0, candidates=8)
QUICK = Tuning(steps=8, learning_rate=0.02, rank=2)
WORDS = [Prompt(audio="clip"), Prompt(text="a smile")]


def generator() -> StyleGAN2:
    torch.manual_seed(1)
    network = StyleGAN2({4: 6, 8: 5, 16: 4}, z_dim=6, w_dim=7, mapping_depth=2)
    with torch.no_grad():
        network.w_mean.copy_(torch.randn(7))
    return network.freeze()


def photo(seed: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=random) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")[0]


def folder(place: Path, names: str = "abc") -> Path:
    for at, name in enumerate(names):
        to_picture(photo(at)).save(place / f"{name}.png")
    return place


def system(start: Start, size: int = 1, **settings) -> StyleWav:
    networks = (generator(), CountingGuide(), CountingAudio())
    given = prepare_given(start, W(), *networks[:2], None, seed=3)
    return StyleWav(*networks, size, W(), start, num_steps=3, given=given, seed=3, **settings)


def tuned_start(place: Path, tuning: Tuning | None = QUICK) -> Start:
    return Start(photo=str(place), inversion=PIXELS, tuning=tuning)


@pytest.mark.parametrize("rank", [2, None])
def test_a_tuned_generator_shows_the_photo_more_as_it_is(rank: int | None) -> None:
    network, wanted, space = generator(), photo(), W()
    rate = 0.04 if rank else 0.2
    settings = (LinearImageTextEmbedder(), space, Tuning(40, rate, rank), PIXELS)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pivot = network.w_mean.clone()
    delta = tune(pivot, wanted, network, *settings, seed=5)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    plain = network.synthesize(pivot[None])
    with tuned(network, delta):
        near = network.synthesize(pivot[None])
        # as a fresh network with these weights renders
        other = StyleGAN2(**{**network.config, "channels": network.channels})
        other.load_state_dict(network.state_dict())
        torch.testing.assert_close(near, other.synthesize(pivot[None]), rtol=1e-4, atol=1e-5)
    assert psnr(near, wanted[None]) > psnr(plain, wanted[None]) + 3
    assert torch.equal(network.synthesize(pivot[None]), plain), "as before, to the last bit"
    assert {name: delta[name].shape for name in delta} == {
        name: value.shape for name, value in tune(pivot, wanted, network, *settings, seed=5).items()
    }


def test_it_is_the_same_each_time_and_depends_on_its_seed_alone() -> None:
    network, settings = generator(), (LinearImageTextEmbedder(), W(), QUICK, PIXELS)
    first, again, other = (tune(network.w_mean, photo(), network, *settings, seed=one) for one in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def results(place: Path, names: str, **settings) -> dict[str, CohortResult]:
    """Each clip as a cohort of its own, one after the other in one process."""
    model = system(tuned_start(place), prompts=WORDS, **settings)
    return {name: optimise(model, [name]) for name in names}


def test_a_clip_is_the_same_whatever_was_made_before_it(tmp_path: Path) -> None:
    """Among prompts, whose scale is a bank of random faces of the generator as it is."""
    place = folder(tmp_path)
    alone, after = results(place, "c")["c"], results(place, "abc")["c"]
    assert alone.tuning and torch.equal(alone.latents, after.latents)
    assert torch.equal(alone.images, after.images)
    assert all(torch.equal(alone.tuning[name], after.tuning[name]) for name in alone.tuning)


def test_the_face_can_be_rendered_again_and_edited_from_its_file(tmp_path: Path) -> None:
    place = folder(tmp_path)
    result = results(place, "a")["a"]
    data = latent_file(result.latents[0], "a", {"space": "w"}, result.tuning)
    (tmp_path / "a.safetensors").write_bytes(data)
    network = generator()
    with tuned(network, {name: one for name, one in load(data).items() if name != "latent"}):
        assert torch.equal(network.synthesize(result.latents), result.images)
    assert not torch.allclose(network.synthesize(result.latents), result.images, atol=0.01)
    model = system(Start(latent=str(tmp_path / "a.safetensors")))
    again = optimise(model, ["a"])
    assert again.tuning.keys() == result.tuning.keys()
    torch.testing.assert_close(again.curves[0, 0], result.curves[0, -1])
    for latent, when in ((tmp_path / "a.safetensors", "built"), (tmp_path, "read")):
        start = Start(latent=str(latent))
        with pytest.raises(ConfigError, match=r"data\.cohort_size is 2"):
            model = system(start, size=2)
            assert when == "read"
            optimise(model, ["a", "b"])
        with pytest.raises(ConfigError, match=r"model\.speed\.compile"):
            model = system(start, speed=Speed(compile=True))
            assert when == "read"
            optimise(model, ["a"])


def test_contradictions_are_refused(tmp_path: Path) -> None:
    place = folder(tmp_path)
    with pytest.raises(ConfigError, match=r"model\.start\.photo names none"):
        Start(tuning=QUICK)
    for size in (3, "auto"):
        with pytest.raises(ConfigError, match=rf"data\.cohort_size is {size}"):
            system(tuned_start(place), size=size)
    with pytest.raises(ConfigError, match=r"model\.speed\.compile"):
        system(tuned_start(place), speed=Speed(compile=True))
    with pytest.raises(ConfigError, match="the generator is a LinearGenerator"):
        tune(LinearGenerator().w_mean, photo(), LinearGenerator(), CountingGuide(), W(), QUICK, PIXELS, 1)
    for change in ({"steps": 0}, {"rank": 0}, {"learning_rate": 0.0}):
        with pytest.raises(ConfigError, match=r"model\.start\.tuning\."):
            Tuning(**change)


def test_a_change_of_another_generator_is_refused() -> None:
    network = generator()
    settings = (LinearImageTextEmbedder(), W(), Tuning(1, rank=2), PIXELS)
    delta = tune(network.w_mean, photo(), network, *settings, seed=1)
    check_delta(delta, network, "a file")
    name = next(iter(delta))
    hostile = [
        {**delta, name: torch.zeros(1, 2)},
        {**delta, name: delta[name] * torch.nan},
        {"tuning.nothing.weight.full": torch.zeros(3)},
        {name: delta[name]},
    ]
    for one in hostile:
        with pytest.raises(WeightsError, match="The tuning in a file"):
            check_delta(one, network, "a file")


def test_a_small_file_cannot_ask_for_a_large_product() -> None:
    network = generator()
    delta = tune(
        network.w_mean, photo(), network, LinearImageTextEmbedder(), W(), Tuning(1, rank=1), PIXELS, seed=1
    )
    up, down = list(delta)[:2]
    for hostile in ({up: torch.zeros(50_000, 1)}, {down: torch.zeros(1, 50_000)}):
        with pytest.raises(
            WeightsError, match=re.escape(f"does not fit the generator ({next(iter(hostile))})")
        ):
            check_delta({**delta, **hostile}, network, "a file")


def test_a_full_change_may_be_larger_than_any_latent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_files, "MOST_BYTES", 100)
    path = tmp_path / "a.safetensors"
    path.write_bytes(latent_file(torch.zeros(7), "a", {}, {"tuning.a.weight.full": torch.zeros(4, 4, 3, 3)}))
    assert list(read_latent(path).tuning) == ["tuning.a.weight.full"]
    torch.save(torch.zeros(100), tmp_path / "b.pt")
    with pytest.raises(WeightsError, match="larger than a latent can be"):
        read_latent(tmp_path / "b.pt")


def perform(command: str, run: Path, size: int, *words: str, latent: Path | None = None) -> int:
    """On ``network.safetensors`` and ``me.png`` (or latents) beside the run."""
    source = {"class_path": "BuiltinVoices", "init_args": {"per_sex": 1, "seconds": 0.6}}
    start = {
        "photo": str(run.with_name("me.png")),
        "inversion": {"steps": 5, "perceptual": 0.0, "candidates": 8},
        "tuning": {"steps": 8, "learning_rate": 0.02, "rank": 2},
    }
    if latent is not None:
        start = {"latent": str(latent)}
    places = ["--run", str(run), "--trainer.accelerator", "cpu", "--data.num_workers", "0", "--threads", "1"]
    network = str(run.with_name("network.safetensors"))
    networks = ["--model.generator", network, "--model.guide", "linear", "--model.audio", "linear"]
    settings = ["--data.sources", json.dumps([source]), "--model.start", json.dumps(start)]
    settings += ["--model.num_steps", "3", "--data.cohort_size", str(size)]
    return main([command, *places, *networks, *settings, *words])


def test_a_run_is_resumed_and_rendered_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator().to_file(tmp_path / "network.safetensors")
    to_picture(photo()).save(tmp_path / "me.png")
    assert [perform("fit", tmp_path / run, 1) for run in ("whole", "parts")] == [0, 0]
    index = next((tmp_path / "parts/journal").glob("rank-*.index"))
    index.write_bytes(index.read_bytes().splitlines(keepends=True)[0])  # the second cohort was not finished
    assert perform("fit", tmp_path / "parts", 1) == 0
    for kind in ("images", "latents"):
        whole, parts = (
            {path.name: path.read_bytes() for path in (tmp_path / run / kind).iterdir()}
            for run in ("whole", "parts")
        )
        assert len(whole) == 2 and whole == parts
    run = tmp_path / "whole"
    assert perform("predict", run, 1) == 0
    for path in (run / "images").iterdir():
        assert (run / "rendered" / path.name).read_bytes() == path.read_bytes()
    capsys.readouterr()
    assert perform("predict", run, 1, "--between", "builtin/f000", "builtin/m000") == 2
    assert "has a generator of its own" in capsys.readouterr().err
    assert perform("fit", tmp_path / "many", 2) == 2
    assert "data.cohort_size is 2" in capsys.readouterr().err
    for command, size, told in (("validate", 2, "data.cohort_size is 2"), ("validate", 1, "")):
        assert perform(command, tmp_path / "edited", size, latent=run / "latents") == (2 if told else 0)
        assert told in capsys.readouterr().err
    assert not (tmp_path / "edited").exists(), "told before anything is computed"


def test_invert_tunes_and_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator().to_file(tmp_path / "network.safetensors")
    to_picture(photo()).save(tmp_path / "me.png")
    words = ["invert", str(tmp_path / "me.png"), "-o", str(tmp_path / "out"), "--guide", "linear"]
    words += ["--device", "cpu", "--perceptual", "0", "--steps", "5", "--tune", "--generator"]
    assert main([*words, str(tmp_path / "network.safetensors")]) == 0
    before, after = re.findall(r"([\d.]+) dB", capsys.readouterr().out)
    assert float(after) > float(before) + 3
    assert read_latent(tmp_path / "out/me.safetensors").tuning
    assert main([*words, "linear"]) == 2
    assert "of a StyleGAN2, the generator is a LinearGenerator" in capsys.readouterr().err
