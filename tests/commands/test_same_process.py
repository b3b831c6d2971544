"""Commands of one process have the same parser: nothing that one of them was told is left for the next."""

import re
from pathlib import Path

import pytest
import yaml

from stylewav_pl.cli import main

TOLD = [
    ("--model.num_steps", "7", "--model.latent_space", "S", "--model.latent_space.to_rgb", "false"),
    ("--data.cohort_size", "3", "--data.sources", "[{class_path: BuiltinVoices, init_args: {per_sex: 3}}]"),
    (
        "--trainer.logger",
        "[{class_path: CSVLogger, init_args: {save_dir: logs}}]",
        "--restart",
        "--threads",
        "2",
    ),
    (
        "--model.optimizer",
        "SGD",
        "--model.optimizer.lr",
        "0.3",
        "--clip_score.prompts",
        "{hair: {short: short}}",
    ),
]


def configured(config: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """The whole configuration, as it would be used."""
    assert main(["fit", "--config", str(config), *options, "--print_config"]) == 0
    return re.sub(r"^#.*", "", capsys.readouterr().out)


def test_a_setting_ends_with_its_command(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = configured(config, capsys)
    assert yaml.safe_load(before)["model"]["num_steps"] == 2
    for options in TOLD:
        assert configured(config, capsys, *options) != before
        assert configured(config, capsys) == before


def test_what_was_built_of_settings_does_not_change_them(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = configured(config, capsys)
    for number, options in enumerate(TOLD[:2]):
        assert main(["fit", "--config", str(config), "--run", str(tmp_path / str(number)), *options]) == 0
    capsys.readouterr()
    assert configured(config, capsys) == before


def test_a_refused_wish_to_see_the_configuration_is_forgotten(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["validate", "--config", str(config), "--run", str(tmp_path / "run")]
    assert main([*words, "--print_config", "--model.num_steps", "many"]) == 2
    capsys.readouterr()
    assert main(words) == 0
    assert "4 clips" in (said := capsys.readouterr().out) and "num_steps" not in said


def test_a_completion_script_leaves_the_commands_as_they_were(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = configured(config, capsys)
    for _ in range(2):
        assert main(["--print-completion", "bash"]) == 0
        assert "--model.num_steps" in capsys.readouterr().out
        assert configured(config, capsys) == before
