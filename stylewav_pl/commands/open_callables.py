"""Settings that take anything that can be called.

No kind says which classes are meant, so that none is built for them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_origin

from jsonargparse import ArgumentParser, Namespace

from stylewav_pl.commands.expected import classes_in, loaded


def stray_class(kind: type, setting: str, value: Any) -> str:
    """Returns the class that a setting names although its type says no kind of class.

    Empty where there is none.

    Lightning's ``LambdaCallback`` has such settings: jsonargparse takes every installed class for them whose
    objects can be called.

    Args:
        kind: The class that has the setting.
        setting: Its name.
        value: What jsonargparse has parsed for it.
    """
    named = list(_named(value))
    hint = _hint(kind, setting) if named else None
    if not _is_open(hint):
        return ""
    kinds = tuple(classes_in(hint))
    return next((path for path, found in named if not (kinds and issubclass(found, kinds))), "")


def _named(value: Any) -> Iterator[tuple[str, type]]:
    """The classes that a value names, in lists and mappings too, but not those of their own settings."""
    value = vars(value) if isinstance(value, Namespace) else value
    if isinstance(value, Mapping):
        found = loaded(value.get("class_path"))
        if isinstance(found, type):
            yield value["class_path"], found
        else:
            yield from (named for below in value.values() for named in _named(below))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (named for below in value for named in _named(below))


def _hint(kind: type, setting: str) -> Any:
    """Returns the type of a setting as jsonargparse finds it.

    It also follows ``**kwargs`` to the classes above.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, fail_untyped=False)
    return next(
        (getattr(action, "_typehint", None) for action in parser._actions if action.dest == setting), None
    )


def _is_open(hint: Any) -> bool:
    if Callable in (hint, get_origin(hint)):
        returned = get_args(hint)[-1:]
        return not any(True for part in returned for _ in classes_in(part))
    return any(_is_open(part) for part in get_args(hint) if not isinstance(part, list | str | int))
