"""The short help: on one screen, at once, and true."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stylewav_pl.cli import main
from stylewav_pl.commands.completion import _Parsers
from stylewav_pl.commands.help import DATA, MODEL, RENDERING, REST, RUN

REPOSITORY = Path(__file__).resolve().parents[2]
COMMANDS = ["fit", "validate", "test", "predict"]
SMALL = ["generate", "report", "weights", "data", "pocket"]
ENTRIES = [*RUN, *MODEL, *DATA, *REST]


@pytest.fixture(scope="module")
def parsers():
    """The parser of each command, as jsonargparse has it."""
    return _Parsers().parser._subcommands_action._name_parser_map


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--config", "demo.yaml", flag]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 55
    assert max(map(len, lines)) <= 100
    for option in ("--config", "--run", "--data.sources"):
        assert any(line.startswith(f"  {option} ") for line in lines)
    assert any("trust" in line for line in lines)


@pytest.mark.parametrize("command", SMALL)
@pytest.mark.parametrize("flag", ["--help", "--help-all"])
def test_help_of_the_other_commands_fits_too(
    command: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, flag]) == 0
    assert len(capsys.readouterr().out.splitlines()) <= 60


def test_all_the_rest_is_printed_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--help-all"]) == 0
    out = capsys.readouterr().out
    for option in ("--trainer.num_nodes", "--model.early_stop", "--writer.queue", "--dashboard.faces"):
        assert option in out


def test_the_short_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from stylewav_pl.cli import main\n"
        "code = main(['fit', '--help'])\n"
        "heavy = {'torch', 'lightning', 'jsonargparse', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.option)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_exists_with_the_default_that_is_told(parsers, command: str, entry) -> None:
    known = {option for option in parsers[command]._option_string_actions}
    within = entry.option.rpartition(".")[0]
    assert entry.option in known or within in known, "a setting, or one of a record that is a setting"
    if entry.default and entry.option in known:
        found = parsers[command].get_default(entry.option.lstrip("-"))
        assert str(found) == entry.default


def test_the_options_of_rendering_are_those_of_predict_alone(parsers) -> None:
    for entry in RENDERING:
        assert entry.option in parsers["predict"]._option_string_actions
        assert entry.option not in parsers["fit"]._option_string_actions
