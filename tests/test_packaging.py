"""What is said beside the package about its versions and its container holds."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import stylewav_pl

REPOSITORY = Path(__file__).resolve().parents[1]
INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "RUN", "USER", "WORKDIR"}


def constraints() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def asked_for() -> list[Requirement]:
    """Everything that pyproject.toml asks for by name, extras included, on this Python."""
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    found = map(Requirement, [*project["dependencies"], *extras])
    return [one for one in found if one.name != "stylewav-pl" and (not one.marker or one.marker.evaluate())]


def test_constraints_hold_a_version_within_every_bound() -> None:
    pinned = constraints()
    wrong = [
        f"{one} (constraints.txt: {pinned.get(canonicalize_name(one.name))})"
        for one in asked_for()
        if not one.specifier.contains(pinned.get(canonicalize_name(one.name), "0"))
    ]
    assert not wrong, f"write it again with scripts/constraints: {wrong}"


def instructions() -> list[list[str]]:
    """The words of each instruction of the Dockerfile, continued lines joined."""
    text = (REPOSITORY / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [[line.split(maxsplit=1)[0], *shlex.split(line.split(maxsplit=1)[1])] for line in joined]


def test_the_container_copies_what_is_there_and_everything_that_the_build_needs() -> None:
    assert {words[0] for words in instructions()} <= INSTRUCTIONS
    copied = [source for words in instructions() if words[0] == "COPY" for source in words[1:-1]]
    assert all((REPOSITORY / source).exists() for source in copied)
    let_in = {
        line[1:]
        for line in (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    assert set(copied) <= let_in
    from_manifest = {"LICENSE", "THIRD_PARTY.md", "CHANGELOG.md", "configs", "stylewav_pl"}
    assert set(copied) >= {"pyproject.toml", "setup.py", "MANIFEST.in", "README.md"} | from_manifest


def test_the_container_installs_extras_that_exist_within_the_constraints() -> None:
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    known = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    (install,) = [words for words in instructions() if words[0] == "RUN" and "--constraint" in words]
    assert ".[${EXTRAS}]" in install
    (wanted,) = [words[1] for words in instructions() if words[0] == "ARG" and words[1].startswith("EXTRAS=")]
    assert set(wanted.removeprefix("EXTRAS=").split(",")) <= set(known)
    assert f"resemblyzer=={constraints()['resemblyzer']}" in install


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == stylewav_pl.__version__
    assert {"cff-version", "message", "title", "authors", "license"} <= citation.keys()
    assert citation["title"] in (REPOSITORY / "README.md").read_text("utf-8")
