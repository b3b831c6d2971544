"""What jsonargparse refuses, as one sentence.

It says which setting, where it stands, what was expected and found.

jsonargparse 4.53 tells types as Python writes them, over up to twenty lines, and no file. Its exceptions
carry no facts, so that they are taken from its text; a text of another form is passed on in one line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jsonargparse import ArgumentParser

from stylewav_pl.commands.configuration import Document
from stylewav_pl.commands.expected import described, nearest_class, settings_of
from stylewav_pl.commands.nearest import did_you_mean
from stylewav_pl.commands.trusted_classes import denied_in
from stylewav_pl.errors import one_line

_UNKNOWN_OPTION = re.compile(r"unrecognized arguments: (\S+)")
_UNKNOWN_SETTING = re.compile(r"^(?:Subcommand '[^']*'|Group '([^']*)') does not accept option '([^']+)'")
_NO_VALUE = re.compile(r"argument (\S+): expected (?:one|at least one) argument")
_LINKED = re.compile(r'Linked "([^"]+)" must be given via "([^"]+)"|argument (\S+) --> ([^\s:]+):')
_KEY = re.compile(r'(?:Parser key|Key) "([^"]+)"')
_CLASS = re.compile(r"Problem with given class_path '([^']+)'")
_UNKNOWN_ARGUMENT = re.compile(r"Option '([^']+)' is not accepted")
_MISSING = re.compile(r"the following arguments are required: (.+)")
_NO_CLASS = re.compile(r"Expected a dot import path string|does not correspond to a subclass|No module named|"
                       r"has no attribute|is abstract")  # fmt: skip
_NO_MODULE = re.compile(r"No module named '[^']+'|module '[^']+' has no attribute '[^']+'")
_VALUE = re.compile(r"(?:Given value|Got value|Expected a dot import path string): (.+)")
_NESTED = re.compile(r"NestedArg\(key='([^']+)', val='?(.*?)'?\)$")
TRUE = frozenset({"yes", "on", "y", "true"})  # as YAML 1.1 has it
_NO_FILE = re.compile(r'Unable to load config [\'"]([^\'"]+)')


@dataclass(frozen=True)
class Refusal:
    """One error of jsonargparse and what is known about it.

    Attributes:
        text: What jsonargparse says.
        parser: That of the sub-command.
        words: The command line.
        documents: The configurations that it names.
    """

    text: str
    parser: ArgumentParser
    words: Sequence[str] = ()
    documents: Sequence[Document] = ()

    def sentence(self) -> str:
        """One sentence for a person."""
        for told in (
            self._denied,
            self._unknown_option,
            self._unknown_setting,
            self._no_value,
            self._linked,
            self._wrong_value,
        ):
            if sentence := told():
                return (
                    sentence[0].upper() + sentence[1:]
                    if sentence.startswith(("expected", "there"))
                    else sentence
                )
        return f"{one_line(ValueError(self.text))}."

    def _denied(self) -> str:
        why = denied_in(self.text)
        names = _KEY.findall(self.text)
        return f"{self._at(names[0])}{why}. Correct {names[0]}." if why and names else why

    def _unknown_option(self) -> str:
        found = _UNKNOWN_OPTION.search(self.text)
        if not found:
            return ""
        word = found[1].partition("=")[0]
        if not word.startswith("-"):
            return f"{word!r} belongs to no option. Every option begins with two dashes."
        known = [
            option for option in self.parser._option_string_actions if not option.endswith(("+", ".help"))
        ]
        return f"There is no option {word}.{did_you_mean(word, known)}"

    def _unknown_setting(self) -> str:
        found = _UNKNOWN_SETTING.search(self.text)
        if not found:
            return ""
        names = {action.dest for action in self.parser._actions}
        known = {".".join(parts[:end]) for parts in (name.split(".") for name in names) for end in (1, 2, 3)}
        group = f"{found[1]}." if found[1] else ""
        parts = f"{group}{found[2].removeprefix(group)}".split(".")
        ends = range(1, len(parts) + 1)
        unknown = next(
            (name for end in ends if (name := ".".join(parts[:end])) not in known), ".".join(parts)
        )
        parent = unknown.rpartition(".")[0]
        beside = [name for name in known if name.rpartition(".")[0] == parent]
        return f"{self._at(unknown)}there is no setting {unknown}.{did_you_mean(unknown, sorted(beside))}"

    def _no_value(self) -> str:
        found = _NO_VALUE.search(self.text)
        return f"The option {found[1]} needs a value." if found else ""

    def _linked(self) -> str:
        found = _LINKED.search(self.text)
        if not found:
            return ""
        target, source = (found[1], found[2]) if found[1] else (found[4], found[3])
        return f"{target} follows from {source}. Set {source} instead."

    def _wrong_value(self) -> str:
        keys = _KEY.findall(self.text)
        if not keys:
            return ""
        name, hint = keys[0], self._hint(keys[0])
        if missing_file := _NO_FILE.search(self.text):
            return f"{self._at(name)}expected settings or a YAML file for {name}, found {missing_file[1]!r}."
        classes = _CLASS.findall(self.text)
        if classes and (unknown := _UNKNOWN_ARGUMENT.search(self.text)):
            known = settings_of(classes[-1])
            listed = did_you_mean(unknown[1], known) or f" It has: {', '.join(known)}."
            place = self._at(name, unknown[1])
            return f"{place}{_short(classes[-1])} in {name} has no setting {unknown[1]}.{listed}"
        if classes and (missing := _MISSING.search(self.text)):
            return f"{self._at(name)}{_short(classes[-1])} in {name} also needs {missing[1]}."
        for inner in keys[1:]:
            if classes and inner in settings_of(classes[-1]):
                name, hint = f"{name} ({_short(classes[-1])}.{inner})", settings_of(classes[-1])[inner]
        return self._wrong_type(name, keys[-1], hint)

    def _wrong_type(self, name: str, last: str, hint: Any) -> str:
        found = self._found()
        place = self._at(name.partition(" ")[0], last)
        if unquoted := self._unquoted(name, last, hint):
            return unquoted
        meant = nearest_class(found, hint) if _NO_CLASS.search(self.text) else []
        hinted = f" Did you mean {' or '.join(meant)}?" if meant else ""
        module = _NO_MODULE.search(self.text)
        why = f" ({module[0]})" if module else ""
        return f"{place}expected {name} to be {described(hint)}, found {found}{why}.{hinted}"

    def _unquoted(self, name: str, last: str, hint: Any) -> str:
        """Says that a word which YAML reads as a switch wants quotes.

        It is the value itself, or one inside a mapping of texts.
        """
        value = self._value()
        for document in self.documents:
            for setting, word in document.switches.items():
                read_as = "True" if word.lower() in TRUE else "False"
                meant = value == read_as or (f": {read_as}" in value and "a text" in described(hint))
                if meant and f".{last}." in f".{setting}.":
                    return (
                        f"{document.place_of(setting)}: without quotes YAML reads {word} as "
                        f"{read_as.lower()}, and {name} takes {described(hint)}. Quote it: '{word}'."
                    )
        return ""

    def _value(self) -> str:
        values = _VALUE.findall(self.text)
        return values[-1].strip() if values else "another"

    def _found(self) -> str:
        value = self._value()
        nested = _NESTED.search(value)
        if nested:
            value = nested[2] if nested[1] == "class_path" else f"{nested[1]}: {nested[2]}"
        return one_line(ValueError("null" if value == "None" else value), 100)

    def _hint(self, name: str) -> Any:
        found = (action for action in self.parser._actions if action.dest == name)
        return getattr(next(found, None), "_typehint", Any)

    def _at(self, name: str, inner: str = "") -> str:
        """Where the last configuration that has a setting has it; empty for the command line's own.

        Args:
            name: The setting.
            inner: The part of it that is looked for.
        """
        told = inner or name
        whole = {word.partition("=")[0].removesuffix("+") for word in self.words}
        if f"--{name}" in whole or any(word.startswith(f"--{told}") for word in self.words):
            return ""
        places = [place for document in self.documents if (place := document.place_of(told))]
        return f"{places[-1]}: " if places else ""


def _short(class_path: str) -> str:
    return class_path.rpartition(".")[2]
