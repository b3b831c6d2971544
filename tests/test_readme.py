"""What the documents tell people to type exists and is understood."""

import argparse
import os
import re
import shlex
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import pytest

from stylewav_pl.cli import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(REPOSITORY)) for path in sorted((REPOSITORY / "docs").glob("*.md"))),
)


class Understood(Exception):
    """The options were parsed; nothing more is wanted."""


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (REPOSITORY / document).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def typed(document: str) -> list[list[str]]:
    """The words of every command in the document's shell blocks, without comments."""
    lines = (
        shlex.split(line, comments=True) for block in blocks(document, "bash") for line in block.splitlines()
    )
    return [words for words in lines if words]


TYPED = [(document, words) for document in DOCUMENTS for words in typed(document)]
SCRIPTS = [words for _, words in TYPED if words[0].removeprefix("./").startswith(("scripts/", ".ci/"))]
COMMAND_LINES = [words for _, words in TYPED if words[0] == "stylewav-pl"]


def test_the_documents_show_commands() -> None:
    assert {document for document, _ in TYPED} >= {"README.md", "CONTRIBUTING.md", "docs/weights.md"}
    assert SCRIPTS and COMMAND_LINES
    assert ["./scripts/demo"] in SCRIPTS


@pytest.mark.parametrize("words", SCRIPTS, ids=" ".join)
def test_scripts_exist_and_can_be_run(words: list[str]) -> None:
    script = REPOSITORY / words[0]
    assert script.is_file()
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_commands_are_known_and_their_configurations_exist(words: list[str]) -> None:
    assert words[1] in COMMANDS
    for option, value in pairwise(words):
        if option == "--config":
            assert (REPOSITORY / value).is_file()


@pytest.mark.parametrize(
    "words", [words for words in COMMAND_LINES if COMMANDS[words[1]][0] != "engines"], ids=" ".join
)
def test_options_of_small_commands_are_understood(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> NoReturn:
        raise Understood(parse(self, *args, **kwargs))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    with pytest.raises(Understood):
        import_module(f"stylewav_pl.commands.{COMMANDS[words[1]][0]}").run(words[1], words[2:])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_pictures_lead_somewhere(document: str) -> None:
    path = REPOSITORY / document
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert not missing
