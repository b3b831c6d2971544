"""What a setting takes, in a person's words instead of Python's types."""

import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stylewav_pl.commands.nearest import nearest

MOST_CLASSES = 14
UNKNOWN = "another value"
PLAIN = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    list: "a list",
    dict: "names with values",
}


def described(hint: Any) -> str:
    """What a type stands for.

    >>> described(int | None), described(list[float]), described(Literal["png", "webp"])
    ('a whole number or null', 'a list of numbers', 'one of png, webp')
    >>> described(Mapping[str, Mapping[str, str]])
    'names, each with names, each with a text'
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (Union, types.UnionType):
        return _union_described(arguments)
    if origin is not None and inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"names, each with {described(arguments[-1])}"
    if origin is not None and inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"a list of {_plural(described(arguments[0]))}"
    if origin is Callable or origin is type:
        return f"a class of the kind {getattr(arguments[-1], '__name__', arguments[-1])}"
    return classes_described([hint]) if _is_kind(hint) else UNKNOWN


def _is_kind(hint: Any) -> bool:
    return inspect.isclass(hint) and hint is not Any and get_origin(hint) is None and hint not in PLAIN


def _union_described(arguments: Sequence[Any]) -> str:
    """Alternatives; all classes together, and no list of what may also stand alone."""
    kinds = [argument for argument in arguments if _is_kind(argument)]
    others = [
        described(argument)
        for argument in arguments
        if argument not in kinds and not set(kinds) & set(classes_in(argument))
    ]
    return " or ".join(dict.fromkeys([*([classes_described(kinds)] if kinds else []), *others]))


def _plural(text: str) -> str:
    singular = {"a number": "numbers", "a whole number": "whole numbers", "a text": "texts"}
    return singular.get(text, text.replace("one of the classes", "the classes"))


def classes_described(kinds: Sequence[type]) -> str:
    """The classes by name where they are few, else what they have in common."""
    names = sorted({name for kind in kinds for name in members_of(kind)})
    if 0 < len(names) <= MOST_CLASSES:
        return f"one of the classes {', '.join(names)}"
    return f"a class of the kind {' or '.join(kind.__name__ for kind in kinds)}"


def members_of(base: type) -> dict[str, type]:
    """Concrete classes of a kind that are known by now, by the name that a configuration may use."""
    found: dict[str, type] = {} if inspect.isabstract(base) else {base.__name__: base}
    subclasses: list[type] = base.__subclasses__()
    for subclass in subclasses:
        found |= members_of(subclass)
    return {name: member for name, member in found.items() if not name.startswith("_")}


def classes_in(hint: Any) -> Iterator[type]:
    """The classes that a type may be built from: those of its parts, and what a callable returns."""
    if _is_kind(hint):
        yield hint
    for argument in get_args(hint):
        if not isinstance(argument, list | str | int):
            yield from classes_in(argument)


def nearest_class(word: str, hint: Any) -> list[str]:
    """Names of classes for a setting that are most like ``word``."""
    names = {name for kind in classes_in(hint) for name in members_of(kind)}
    return nearest(word.rpartition(".")[2], sorted(names))


def settings_of(class_path: str) -> dict[str, Any]:
    """The types of a class's settings by name; empty where there is no such class."""
    module, _, name = class_path.rpartition(".")
    try:
        # what was refused must not be imported to tell about it
        kind = getattr(sys.modules.get(module), name)
        parameters = inspect.signature(kind).parameters
        hints = get_type_hints(kind.__init__)
    except (AttributeError, ValueError, TypeError, NameError):
        return {}
    return {name: hints.get(name, Any) for name in parameters if name not in ("self", "args", "kwargs")}


def loaded(path: Any) -> Any:
    """What a dotted name means in the modules that are there by now; None where it means nothing."""
    parts = path.split(".") if isinstance(path, str) else []
    for end in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:end]))
        if found is not None:
            for part in parts[end:]:
                found = getattr(found, part, None)
            return found
    return None
