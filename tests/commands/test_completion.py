"""Completion in a shell: every command, its options, and their values."""

import shutil
import subprocess
from pathlib import Path

import pytest

from stylewav_pl.cli import COMMANDS, main
from stylewav_pl.commands.completion import script_for

COMPLETE = """
source {script}
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMPREPLY=()
_shtab_stylewav_pl 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory):
    """Completes words as bash does."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script: Path = tmp_path_factory.mktemp("completion") / "stylewav-pl"
    script.write_text(script_for("bash"))
    assert script.stat().st_size < 1_200_000, "a shell reads it at each start"

    def complete(words: str) -> set[str]:
        program = COMPLETE.format(script=script, words=words)
        made = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=script.parent)
        return set(made.stdout.split())

    return complete


def test_every_command_is_offered(bash) -> None:
    assert bash("stylewav-pl ''") >= set(COMMANDS)
    assert bash("stylewav-pl va") == {"validate"}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("fit --model.num", "--model.num_steps"),
        ("predict --trunc", "--truncation"),
        ("fit --writer.image ''", "webp"),
        ("fit --trainer.accelerator ''", "gpu"),
        ("fit --model.latent_space ''", "stylewav_pl.optimisation.latents.WPlus"),
        ("generate --dev", "--device"),
        ("generate --device ''", "cuda"),
        ("report --no", "--no-audio"),
        ("weights ''", "inspect"),
        ("weights fetch --acc", "--accept-licence"),
        ("data ''", "check"),
        ("pocket train ''", "faces"),
    ],
)
def test_options_and_values_are_offered(bash, words: str, offered: str) -> None:
    assert offered in bash(f"stylewav-pl {words}")


def test_files_and_folders_are_offered_where_they_are_meant(bash, tmp_path: Path) -> None:
    (tmp_path / "voice.wav").touch()
    (tmp_path / "runs").mkdir()
    assert f"{tmp_path}/voice.wav" in bash(f"stylewav-pl generate {tmp_path}/v")
    assert f"{tmp_path}/runs" in {found.rstrip("/") for found in bash(f"stylewav-pl report {tmp_path}/r")}
    assert f"{tmp_path}/voice.wav" not in bash(f"stylewav-pl report {tmp_path}/v")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_of_their_own(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    assert "stylewav-pl" in script
    assert "accept-licence" in script
    assert "-->" not in script, (
        "what follows from another setting is no option, and zsh has no place for its arrow"
    )


@pytest.mark.parametrize("words", [[], ["ksh"], ["bash", "zsh"]])
def test_another_shell_is_refused_with_those_that_there_are(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--print-completion", *words]) == 2
    assert "one of bash, zsh" in capsys.readouterr().err
