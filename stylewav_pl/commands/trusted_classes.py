"""Which classes a configuration may name.

Those of installed packages and of the kind that a setting takes, never functions.

A configuration is code, because it names classes that are then built. What keeps a mistake, or a file from
somewhere, from running anything else: a name is looked up only in the environment that was installed, not in
Python's own modules and not in the working folder, before anything of it is imported (:func:`allow`);
jsonargparse compares a class with the type of its setting; and what a name means is a class, or is refused
(:func:`check_classes`).
"""

import inspect
import os
import re
import site
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import jsonargparse
from jsonargparse import Namespace

from stylewav_pl.commands.expected import loaded
from stylewav_pl.commands.open_callables import stray_class
from stylewav_pl.errors import ConfigError
from stylewav_pl.installed import PACKAGE

MOST_NAMES = 1000  # that are looked up; a list of files has many that look like one
NEVER = frozenset({"jsonargparse", "pip", "setuptools", "pkg_resources", "distutils"})
"""Packages that could change these rules, or what is installed."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_NAMED = re.compile(r"class_path['\"]?\s*[:=]\s*['\"]?([A-Za-z_][\w.]*)")
_DENIED = re.compile(r"Importing '([^']+)' is not allowed")


def allow(names: Iterable[str] = ()) -> None:
    """Lets jsonargparse import from loaded packages, or named and installed ones, and from nothing else.

    Settings are read from files of this machine alone.

    Args:
        names: Dotted names that a configuration may want.
    """
    tops = {name.partition(".")[0] for name in sys.modules}
    for name in names:
        top = name.partition(".")[0]
        if top not in tops and is_installed(top):
            tops.add(top)
    allowed = [top for top in tops - NEVER - sys.stdlib_module_names if top.isidentifier()]
    jsonargparse.set_parsing_settings(
        import_path_denylist=["*"],
        import_path_allowlist=allowed,
        # Lightning lets sections be read from anywhere that fsspec reaches; here nothing is fetched unasked
        config_read_mode_urls_enabled=False,
        config_read_mode_fsspec_enabled=False,
        # where a setting takes anything, a class could not be compared with what is expected
        instantiate_subclass_spec_in_any=False,
        validate_subclass_spec_in_any=True,
    )


def names_in(words: Sequence[str], settings: Sequence[Any]) -> list[str]:
    """Returns what may be the name of a class in a command line and in settings as they were read."""
    names: dict[str, None] = {}
    texts = [word.partition("=")[2] if word.startswith("-") and "=" in word else word for word in words]
    for text in (*texts, *_texts(list(settings))):
        names |= dict.fromkeys(_NAMED.findall(text))
        if _DOTTED.fullmatch(text):
            names[text] = None
        if len(names) > MOST_NAMES:
            break
    return list(names)


def _texts(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            pending += value.values()
        elif isinstance(value, list):
            pending += reversed(value)


def is_installed(top: str) -> bool:
    """Whether there is such a package where packages are installed, or in a folder that PYTHONPATH names.

    Imports nothing.
    """
    if top in sys.stdlib_module_names:
        return False
    places = _places()
    for finder in sys.meta_path:
        try:
            # others than PathFinder are those of packages that were installed as links to their source
            if PathFinder.find_spec(top, places) if finder is PathFinder else finder.find_spec(top, None):
                return True
        except (ImportError, AttributeError, ValueError):
            continue
    return False


def _places() -> list[str]:
    """Returns the folders that Python searches.

    But those that it only searches because the command was started there.

    The working folder is the first one where Python was started with ``-m``. If it belongs to a package that
    was installed as a link to its source, it comes again behind the installed packages.
    """
    installed = [sys.path.index(folder) for folder in site.getsitepackages() if folder in sys.path]
    first = min(installed, default=0)
    named = {Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    kept = []
    for index, place in enumerate(sys.path):
        folder = Path(place).resolve()
        if folder != Path.cwd() or (place and (folder in named or index > first)):
            kept.append(place)
    return kept


@contextmanager
def without_working_folder() -> Iterator[None]:
    """Searches no module in the working folder inside the block, unless this package lies there."""
    before, home = list(sys.path), PACKAGE.parent
    kept = _places()
    sys.path[:] = [place for place in before if place in kept or Path(place).resolve() == home]
    try:
        yield
    finally:
        sys.path[:] = before


def denied_in(text: str) -> str:
    """Why a name was not looked up, if that is what an error of jsonargparse says; else empty."""
    found = _DENIED.search(text)
    if not found:
        return ""
    name, top = found[1], found[1].partition(".")[0]
    if top in sys.stdlib_module_names or top in NEVER:
        return (
            f"{name} is refused: a configuration names classes of the kind that a setting takes, and {top} "
            "has none"
        )
    if is_installed(top):
        return f"{name} is refused: here only classes of stylewav-pl are built"
    return (
        f"{name} is refused: no package {top} is installed here, and the working folder is not searched. If "
        "you trust it, install it (pip install -e FOLDER) or name its folder in PYTHONPATH"
    )


def check_classes(value: Any, name: str = "") -> None:
    """Refuses settings that name anything else than a class; nothing was called yet.

    Args:
        value: What jsonargparse has parsed.
        name: Dotted name of the setting.

    Raises:
        ConfigError: One names a function or another object, or a class where no kind of class is expected.
    """
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, Mapping):
        kind = loaded(value.get("class_path"))
        if kind is not None and not inspect.isclass(kind):
            raise _no_class(name, value["class_path"])
        usual = _defaults(kind)
        for key, below in _settings(value):
            if inspect.isclass(kind) and (stray := stray_class(kind, key, below)):
                raise ConfigError(
                    f"Expected no class for {f'{name}.{key}'.lstrip('.')}, found {stray}: the setting takes "
                    "anything that can be called, and a configuration builds only classes of a kind that a "
                    "setting names. Remove it."
                )
            if key not in usual or usual[key] is not below:
                check_classes(below, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list | tuple | set | frozenset):
        for index, below in enumerate(value):
            check_classes(below, f"{name}.{index}")
    elif callable(value) and not isinstance(value, type | os.PathLike):
        raise _no_class(name, getattr(value, "__qualname__", type(value).__qualname__))


def _no_class(name: str, found: str) -> ConfigError:
    return ConfigError(
        f"Expected {name or 'a setting'} to name a class, found {found}, which is none: a configuration "
        "never has functions called. Correct it."
    )


def _settings(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings below one; those of a class without the words around them."""
    for key, below in value.items():
        inner = vars(below) if isinstance(below, Namespace) else below
        if "class_path" in value and key in ("init_args", "dict_kwargs") and isinstance(inner, Mapping):
            yield from inner.items()
        else:
            yield key, below


def _defaults(kind: Any) -> dict[str, Any]:
    try:
        return {name: taken.default for name, taken in inspect.signature(kind).parameters.items()}
    except (TypeError, ValueError):
        return {}
