"""``generate`` takes every setting of an experiment, so that no message recommends what it refuses."""

import csv
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from safetensors.torch import save_file

from stylewav_pl.cli import main
from stylewav_pl.commands.completion import _Parsers
from stylewav_pl.commands.generate import parser, split
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import load_generator

LINEAR = ("--generator", "linear", "--guide", "linear", "--audio-encoder", "linear", "--device", "cpu")


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    moments = np.arange(9600) / 16_000
    noise = np.random.default_rng(0).normal(0, 0.05, moments.size)
    path = tmp_path / "voice.wav"
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * 220 * moments) + noise, 16_000)
    return path


def test_settings_and_overlays_join_the_files(voice: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("model: {latent_space: WPlus}\ndata: {sources: [BuiltinVoices]}\n")
    out = tmp_path / "out"
    settings = ["--model.num_steps", "2", "--model.frame_steps=[0, 2]", "--config", str(overlay), "--strict"]
    assert main(["generate", str(voice), "-o", str(out), *settings, "--writer.image=webp", *LINEAR]) == 0
    assert [path.name for path in (out / "images").iterdir()] == ["voice.webp"], "the files are the sources"
    kept = yaml.safe_load((out / "config.yaml").read_text())
    assert kept["model"]["num_steps"] == 2
    assert kept["model"]["latent_space"]["class_path"].endswith(".WPlus")


def test_a_given_face_is_moved_by_the_words_that_help_names(voice: Path, tmp_path: Path) -> None:
    help = " ".join(parser().format_help().split())
    (words,) = re.findall(r"with (--model\.start\.moved_by pocket --steps \d+)", help)
    mean = load_generator("pocket").w_mean
    save_file({"latent": mean}, tmp_path / "me.safetensors")
    out, given = tmp_path / "out", ["--latent", str(tmp_path / "me.safetensors")]
    assert main(["generate", str(voice), "-o", str(out), *given, *words.split(), "--device", "cpu"]) == 0
    kept = yaml.safe_load((out / "config.yaml").read_text())["model"]
    assert (kept["start"]["latent"], kept["start"]["moved_by"]) == (given[1], "pocket")
    (similarities,) = csv.reader((out / "curves.csv").read_text().splitlines()[1:])
    before, *after = map(float, similarities[1:])
    assert len(after) == 4 and after[-1] > before + 0.05, "four small steps alone would hardly move it"


def test_other_sources_are_refused(voice: Path) -> None:
    with pytest.raises(ConfigError, match="The files are the sources"):
        split([str(voice), "--data.sources", "BuiltinVoices"])


WRONG = [
    ["--steps", "-1"],
    ["--window", "midle"],
    ["--generator", "no-such"],
    ["--audio-encoder", "my.Class"],
    ["--guide", "my.Class"],
    ["--device", "cuda"],
    ["--model.num_stepz", "3"],
    ["--model.optimizer", "torch.optim.LBFGS"],
    ["--trainer.limit_train_batches", "0"],
    ["--trainer.max_steps", "2"],
    ["--max_skipped_fraction", "0", "--data.min_seconds", "4"],
]


@pytest.mark.parametrize("options", WRONG, ids=" ".join)
def test_every_option_that_a_message_names_is_taken(
    voice: Path, tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if options == ["--device", "cuda"] and has_gpu():
        pytest.skip("there is a GPU")
    linear = ["--generator", "linear", "--guide", "linear", "--audio-encoder", "linear"]
    assert main(["generate", str(voice), "-o", str(tmp_path / "out"), *linear, *options]) in (2, 4)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert_taken(error.replace(f"no option {options[0]}", ""))


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--latent_space", "--model.latent_space"),
        ("--cohort-size", "--data.cohort_size"),
        ("--stesp", "--steps"),
    ],
)
def test_a_setting_without_its_section_is_named_with_it(
    option: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "voice.wav", option, "3"]) == 2
    assert f"there is no option {option}. Did you mean {meant}" in capsys.readouterr().err


def test_another_configuration_of_the_run_is_told_with_options_that_are_taken(
    voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", str(voice), "-o", str(tmp_path / "out"), *LINEAR]
    assert main([*words, "--steps", "2"]) == 0
    capsys.readouterr()
    assert main([*words, "--steps", "3"]) == 5
    error = capsys.readouterr().err
    assert "--restart" in error and "--run DIR" in error
    assert_taken(error)
    assert main([*words, "--steps", "3", "--restart"]) == 0


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@cache
def settings_of_experiments() -> frozenset[str]:
    fit = _Parsers().parser._subcommands_action._name_parser_map["fit"]
    return frozenset(fit._option_string_actions)


def assert_taken(message: str) -> None:
    """Every option that a message recommends is one of ``generate``, commands of their own left out."""
    own = {option for action in parser()._actions for option in action.option_strings}
    without_commands = re.sub(r"`stylewav-pl [^`]*`|stylewav-pl \w+ [^;.]*", "", message)
    for option in set(re.findall(r"(?<![\w-])--[a-z][\w.-]*[a-z]", without_commands)):
        named = option.removesuffix(".class_path")
        passed_on = named in settings_of_experiments() and split([option, "x"])[1] == [option, "x"]
        assert named in own or passed_on, message
