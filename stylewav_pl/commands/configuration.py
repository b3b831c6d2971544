"""A configuration file as a person wrote it: read within bounds, and refused by line before a parser sees it.

Imports nothing heavy: what is wrong here is told at once, not after the ten seconds that the networks'
libraries take to load.
"""

import codecs
import locale
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stylewav_pl import bounded_yaml
from stylewav_pl.bounded_yaml import line_of
from stylewav_pl.errors import ConfigError, one_line

SECTIONS = ("model", "data", "trainer", "clip_score", "writer", "progress", "dashboard")
MOST_BYTES = 64 << 20
MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
MERGE = "<<"  # YAML's key for "and everything of"
_EXPONENT = re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+")  # a number for jsonargparse, a word for PyYAML


@dataclass(frozen=True)
class Document:
    """What one configuration says, and where.

    Attributes:
        path: The file.
        value: Its settings.
        lines: Dotted name of each setting to its line; items of lists have their number as name.
        switches: Dotted name of each value that YAML reads as true or false although it says neither, to the
            word that stands there: ``yes``, ``no``, ``on``, ``off``.
    """

    path: Path
    value: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)

    def place_of(self, name: str) -> str:
        """File and line of a setting, found by its whole dotted name or by the end of it.

        Empty where there is none.
        """
        line = self.lines.get(name)
        ends = [at for known, at in self.lines.items() if known.endswith(f".{name}")]
        line = line or (ends[0] if ends else None)
        return f"{self.path}, line {line}" if line else ""


def is_address(name: str) -> bool:
    """Whether a name leads out of this machine's files, as ``https://...`` and ``s3://...`` do."""
    return "://" in name


def read_configuration(path: Path) -> Document:
    """Reads a configuration file.

    Args:
        path: An existing file.

    Returns:
        Its settings with the lines that they stand in.

    Raises:
        ConfigError: It cannot be read, is no UTF-8 text or no YAML, holds something else than settings, names
            one twice, or is made to exhaust whoever reads it.
    """
    text = _text_of(path)
    if not text.strip():
        raise ConfigError(f"{path} is empty. Expected a YAML file with settings, such as those of demo.yaml.")
    lines: dict[str, int] = {}
    switches: dict[str, str] = {}
    try:
        root = bounded_yaml.compose(text)
        if isinstance(root, yaml.MappingNode):
            _visit(root, "", path, lines, switches)
        value = yaml.load(text, Loader=bounded_yaml.Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {_problem(error, text)}. Correct it.") from error
    if not isinstance(value, dict):
        raise ConfigError(
            f"Expected settings in {path}, found {_described(value)}. A configuration has sections such as "
            f"{', '.join(SECTIONS[:3])}; see demo.yaml."
        )
    document = Document(path, value, lines, switches)
    _check_sections(document)
    return document


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Correct it.") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"{path} is larger than a configuration can be ({MOST_BYTES >> 20} MiB). Name many files in a "
            "table (source Manifest)."
        )
    for mark, name in MARKS:
        if data.startswith(mark):
            raise _not_utf8(path, f"found {name}", name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"found the byte 0x{data[error.start]:02x} in line {line}"
        raise _not_utf8(path, found, "ISO-8859-1") from error
    if text.count("\0") > len(text) // 4:
        raise _not_utf8(path, "found every second byte empty", "UTF-16")
    _check_locale(path, text)
    return text


def _not_utf8(path: Path, found: str, encoding: str) -> ConfigError:
    return ConfigError(
        f"Expected UTF-8 text in {path}, {found}. Save it as UTF-8 in your editor, or convert it: "
        f"iconv -f {encoding} -t UTF-8 {path} > new.yaml"
    )


def _check_locale(path: Path, text: str) -> None:
    """The parser reads files in the encoding of the locale, which must be able to say what is in this one."""
    encoding = locale.getpreferredencoding(False)
    if not text.isascii() and codecs.lookup(encoding).name != "utf-8":
        raise ConfigError(
            f"{path} holds other letters than those of ASCII, and this system's locale says {encoding}. Set "
            "PYTHONUTF8=1 and start the same command again."
        )


def _problem(error: Exception, text: str) -> str:
    """What PyYAML says, in one line and with the line of the file."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        told = ", ".join(part for part in (error.context, error.problem) if part)
        if mark and "cannot start any token" in told and text.splitlines()[mark.line].startswith("\t"):
            told = "a tab at the beginning of a line; YAML is indented with spaces"
        return f"{f'line {mark.line + 1}: ' if mark else ''}{told}"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line}: the character {chr(int(error.character))!a} is not allowed"
    return one_line(error)


def _described(value: object) -> str:
    kinds = {list: "a list", str: "a text", bool: "a switch", int: "a number", float: "a number"}
    return "nothing" if value is None else kinds.get(type(value), f"a {type(value).__name__}")


def _visit(node: yaml.Node, name: str, path: Path, lines: dict[str, int], switches: dict[str, str]) -> None:
    """Notes the lines of what is below a node, and refuses keys that cannot be meant."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, str] = {}
        for key, value in node.value:
            word = _word(key, path)
            if word in seen and word != MERGE:
                raise ConfigError(
                    f"{path} names {f'{name}.{word}'.lstrip('.')} twice, in {seen[word]} and in "
                    f"{line_of(key)}. Remove one of them."
                )
            seen[word] = line_of(key)
            _note(value, f"{name}.{word}".lstrip("."), key.start_mark.line + 1, path, lines, switches)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _note(value, f"{name}.{index}", value.start_mark.line + 1, path, lines, switches)


def _note(
    node: yaml.Node, name: str, line: int, path: Path, lines: dict[str, int], switches: dict[str, str]
) -> None:
    lines.setdefault(name, line)
    if isinstance(node, yaml.ScalarNode):
        if "\0" in node.value:
            raise ConfigError(f"{path}, {line_of(node)}: {name} holds a NUL. Remove it.")
        if node.tag.endswith(":bool") and node.value.lower() not in ("true", "false"):
            switches[name] = node.value
    _visit(node, name, path, lines, switches)


def _word(key: yaml.Node, path: Path) -> str:
    """The name of a setting or label.

    Raises:
        ConfigError: YAML reads the key as something else than text: ``yes`` is true, ``20`` a number.
    """
    if not isinstance(key, yaml.ScalarNode):
        raise ConfigError(
            f"{path}, {line_of(key)}: expected a name before the colon, found a list or a mapping."
        )
    text: str = key.value
    if read_as := _read_as(key):
        raise ConfigError(
            f"{path}, {line_of(key)}: without quotes YAML reads {text or 'an empty key'} as {read_as}. Quote "
            f"it: '{text}'."
        )
    return text


def _read_as(key: yaml.ScalarNode) -> str:
    """What YAML makes of a key that is no text to it; empty for one that is."""
    kind = key.tag.rpartition(":")[2]
    if kind == "bool":
        return "true" if key.value.lower() in ("yes", "on", "true") else "false"
    if kind == "null":
        return "nothing"
    unquoted = key.style in (None, "")
    number = kind in ("int", "float") or (unquoted and _EXPONENT.fullmatch(key.value))
    return "a number" if number else ""


def _check_sections(document: Document) -> None:
    for name in SECTIONS:
        found = document.value.get(name, {})
        if isinstance(found, str) and is_address(found):
            raise ConfigError(
                f"{document.place_of(name)}: expected settings or a file of settings for {name}, found the "
                f"address {found}: nothing is fetched from there. Fetch it, and name the file."
            )
        if not isinstance(found, dict | str):  # a text names another file
            raise ConfigError(
                f"{document.place_of(name)}: expected settings below {name}, found {_described(found)}"
                f"{'' if found is None else f' ({one_line(ValueError(found), 60)})'}. "
                "Indent them below it, or remove it for the defaults."
            )
