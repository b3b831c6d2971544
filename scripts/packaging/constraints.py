"""Writes ``constraints.txt`` from what is installed.

``pip install -c constraints.txt`` then gets what was tested.
"""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PACKAGE, EXTRAS = "stylewav-pl", ("dev", "speaker")
# Of the speaker extra the wheel alone is wanted: none of its requirements is used, and one needs a compiler.
ALONE = {"resemblyzer"}


def own(extras: frozenset[str]) -> list[str]:
    """Returns what pyproject.toml asks for; what is installed may stem from an older one."""
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    optional = [text for extra in sorted(extras) for text in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *optional]


def needed(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yields what a distribution asks for on this Python and machine; this package by its pyproject.toml."""
    for text in own(extras) if name == PACKAGE else requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def installed() -> dict[str, str]:
    """Returns name and version of everything that the package leads to."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(PACKAGE, frozenset(EXTRAS))]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for requirement in needed(name, extras):
            wanted = canonicalize_name(requirement.name)
            if wanted == PACKAGE:
                waiting.append((wanted, frozenset(requirement.extras)))
                continue
            try:
                # without the label of a build, such as +cpu: which one it is depends on where it comes from
                found[wanted] = Version(version(wanted)).public
            except PackageNotFoundError:
                print(f"constraints: {wanted}, which {name} asks for, is not installed", file=sys.stderr)
                continue
            if wanted not in ALONE:
                waiting.append((wanted, frozenset(requirement.extras)))
    found.pop(PACKAGE, None)
    return found


def main() -> None:
    """Writes the file into the working directory."""
    head = [
        "# What was tested together; written by scripts/constraints, for pip install -c constraints.txt.",
        f"# Python {platform.python_version()}, {platform.system()} {platform.machine()}.",
    ]
    pins = [f"{name}=={number}" for name, number in sorted(installed().items())]
    Path("constraints.txt").write_text("\n".join([*head, *pins]) + "\n", encoding="utf-8")
    print(f"constraints.txt: {len(pins)} packages")


if __name__ == "__main__":
    main()
