"""Configurations as people write them, and as they should not: refused by file and line, within bounds."""

import codecs
import locale
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from stylewav_pl import bounded_yaml
from stylewav_pl.cli import main
from stylewav_pl.commands.configuration import MOST_BYTES, read_configuration
from stylewav_pl.errors import ConfigError

GOOD = """\
model: {generator: linear, guide: linear, audio: linear, num_steps: 3}
data:
  cohort_size: 2
  num_workers: 0
  sources:
    - class_path: BuiltinVoices
      init_args: {per_sex: 1}
clip_score:
  prompts: {sex: {male: a boy, female: a girl}}
progress: {enabled: false}
trainer: {accelerator: cpu}
"""


def bomb(levels: int = 9, width: int = 9) -> str:
    """A few hundred bytes that stand for ``width ** levels`` values."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join([*lines, GOOD])


MALFORMED: dict[str, tuple[bytes, str]] = {
    "UTF-16": (GOOD.encode("utf-16"), "Expected UTF-8 text in FILE, found UTF-16"),
    "UTF-16, other order": (codecs.BOM_UTF16_BE + GOOD.encode("utf-16-be"), "found UTF-16"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "found every second byte empty"),
    "UTF-32": (GOOD.encode("utf-32"), "found UTF-32"),
    "latin-1": (GOOD.replace("boy", "b\xf6y").encode("latin-1"), "found the byte 0xf6 in line 9"),
    "a NUL": (GOOD.replace("boy", "b\0y").encode(), "line 9: the character '\\x00' is not allowed"),
    "a NUL, spelled": (GOOD.replace("a boy", '"b\\0y"').encode(),
        "line 9: clip_score.prompts.sex.male holds a NUL"),
    "a bell": (GOOD.replace("boy", "b\ay").encode(), "line 9: the character '\\x07' is not allowed"),
    "a tab": (GOOD.replace("  cohort", "\tcohort").encode(), "line 3: a tab at the beginning of a line"),
    "an open bracket": (f"{GOOD}x: {{a: 1\n".encode(), "line 13: while parsing a flow mapping"),
    "a bomb": (bomb().encode(), "its aliases stand for 4"),
    "itself": (f"{GOOD}x: &x [*x]\n".encode(), "line 12: an alias stands for something that contains itself"),
    "brackets": (f"{GOOD}x: {'[' * 5000}{']' * 5000}\n".encode(), "line 12: "),
    "depth": (f"{GOOD}x: {'[' * 200}{']' * 200}\n".encode(), "line 12: nested more than 100 deep"),
    "a key twice": (f"{GOOD}model: {{}}\n".encode(), "names model twice, in line 1 and in line 12"),
    "a label twice": (GOOD.replace("female:", "male:").encode(), "names clip_score.prompts.sex.male twice"),
    "two documents": (f"{GOOD}---\n{GOOD}".encode(), "line 12: expected a single document"),
    "Python": (f"{GOOD}x: !!python/object/apply:os.getcwd []\n".encode(),
        "could not determine a constructor"),
    "nothing": (b" \n", "FILE is empty"),
    "a comment": (b"# to do\n", "Expected settings in FILE, found nothing"),
    "a list": (b"- model\n", "Expected settings in FILE, found a list"),
    "a text": (b"hello\n", "Expected settings in FILE, found a text"),
    "a number": (b"3\n", "Expected settings in FILE, found a number"),
    "trainer: 3": (GOOD.replace("{accelerator: cpu}", "3").encode(),
        "line 11: expected settings below trainer, found a number (3)"),
    "trainer: []": (GOOD.replace("{accelerator: cpu}", "[cpu]").encode(),
        "line 11: expected settings below trainer, found a list"),
    "trainer: yes": (GOOD.replace("{accelerator: cpu}", "yes").encode(),
        "line 11: expected settings below trainer, found a switch"),
    "trainer:": (GOOD.replace(" {accelerator: cpu}", "").encode(),
        "line 11: expected settings below trainer, found nothing"),
    "yes as a label": (GOOD.replace("male: a boy", "yes: a boy").encode(),
        "line 9: without quotes YAML reads yes as true. Quote it: 'yes'."),
    "no as a label": (GOOD.replace("male: a boy", "no: a boy").encode(),
        "line 9: without quotes YAML reads no as false. Quote it: 'no'."),
    "a number as a label": (GOOD.replace("male: a boy", "20: a boy").encode(),
        "line 9: without quotes YAML reads 20 as a number. Quote it: '20'."),
    "1e3 as a label": (GOOD.replace("male: a boy", "1e3: a boy").encode(), "reads 1e3 as a number"),
    "null as a label": (GOOD.replace("male: a boy", "~: a boy").encode(), "reads ~ as nothing"),
    "a list as a label": (GOOD.replace("male: a boy", "[a]: a boy").encode(),
        "line 9: expected a name before the colon"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_malformed_is_refused_in_one_sentence_at_once(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, told = MALFORMED[kind]
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with monkeypatch.context() as patch:  # nothing heavy is imported for it
        patch.setattr("stylewav_pl.cli.import_module", None)
        assert main(["validate", "--config", str(path)]) == 2
    error = capsys.readouterr().err
    assert told.replace("FILE", str(path)) in error
    assert str(path) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_utf8_is_read_with_and_without_a_mark(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "good.yaml"
    path.write_bytes(mark + GOOD.replace("boy", "b\xf6y").encode())
    document = read_configuration(path)
    assert document.value["clip_score"]["prompts"]["sex"]["male"] == "a böy"
    assert document.value["data"]["cohort_size"] == 2


def test_quoted_labels_dates_and_shared_parts_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(
        "x: &x {'yes': 1, '20': 2, nan: 3, 2001-01-01: 4}\ny: {<<: *x, z: [*x, *x]}\nwriter: {strips: yes}\n"
    )
    document = read_configuration(path)
    assert [str(key) for key in document.value["x"]] == ["yes", "20", "nan", "2001-01-01"]
    assert document.value["y"]["z"][1]["20"] == 2


def test_places_are_found_by_whole_and_by_last_names(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    document = read_configuration(path)
    assert document.place_of("data.cohort_size") == f"{path}, line 3"
    assert document.place_of("per_sex") == f"{path}, line 7"
    assert document.place_of("data.sources.0.class_path") == f"{path}, line 6"
    assert document.place_of("nowhere") == ""


def test_a_file_that_cannot_be_read_or_is_far_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ConfigError, match="larger than a configuration can be"):
        read_configuration(path)

    def denied(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigError, match=r"large\.yaml cannot be read: Permission denied"):
        read_configuration(path)


def test_letters_that_the_locale_does_not_have_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "letters.yaml"
    path.write_text(GOOD.replace("boy", "böy"), "utf-8")
    monkeypatch.setattr(locale, "getpreferredencoding", lambda _: "ANSI_X3.4-1968")
    with pytest.raises(ConfigError, match="Set PYTHONUTF8=1"):
        read_configuration(path)
    path.write_text(GOOD)
    read_configuration(path)


@pytest.mark.parametrize("text", [bomb(), "x: &x [*x]", "x: " + "[" * 200 + "]" * 200])
def test_the_loader_refuses_what_has_no_bounds(text: str) -> None:
    began = time.process_time()
    with pytest.raises(bounded_yaml.UnboundedYamlError):
        bounded_yaml.load(text)
    assert time.process_time() - began < 30, "of processor time; without bounds it would be years"


def test_the_loader_reads_as_pyyaml_does() -> None:
    assert bounded_yaml.load(GOOD) == yaml.safe_load(GOOD)
    assert bounded_yaml.load("") is None
    assert bounded_yaml.load(bomb(levels=3)) == yaml.safe_load(bomb(levels=3)), "ordinary sharing is allowed"


def nested() -> str:
    """A bomb in one line."""
    lines = [f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]" for name in "bcdefghi"]
    return "{a: &a [x, x, x, x, x, x, x, x, x], " + ", ".join(lines) + "}"


@pytest.mark.parametrize(
    "option", ["--clip_score.prompts", "--clip_score.prompts=", "--model", "--data.sources"]
)
def test_values_on_the_command_line_have_bounds_too(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    words = [f"{option}{nested()}"] if option.endswith("=") else [option, nested()]
    assert main(["validate", "--config", str(path), *words]) == 2
    assert "its aliases stand for" in capsys.readouterr().err


def test_texts_inside_a_configuration_have_bounds_too(tmp_path: Path) -> None:
    path = tmp_path / "hidden.yaml"
    path.write_text(f"clip_score: {{prompts: '{nested()}'}}\n")
    with pytest.raises(ConfigError, match="its aliases stand for"):
        read_configuration(path)
    path.write_text("clip_score: {prompts: {sex: {male: 'R&B *singer*', female: '*a &b'}}}\n")
    assert read_configuration(path).value["clip_score"]["prompts"]["sex"]["male"] == "R&B *singer*"


def test_a_file_that_a_configuration_names_is_read_as_strictly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.yaml").write_bytes("num_steps: 3\n".encode("utf-16"))
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert main(["validate", "--config", str(path), "--model", str(tmp_path / "model.yaml")]) == 2
    assert "Expected UTF-8 YAML" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "Name an experiment with --config"),
        (["--config", "demoo.yaml"], "There is no configuration demoo.yaml, .* Did you mean demo.yaml"),
        (["--config=nope"], "There is no configuration nope, neither here nor in the package"),
    ],
)
def test_what_is_missing_is_told_before_anything_heavy_is_imported(
    command: str, options: list[str], told: str
) -> None:
    program = (
        "import sys\n"
        "from stylewav_pl.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "heavy = {'torch', 'lightning', 'jsonargparse', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, command, *options],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        timeout=100,
    )
    assert ended.returncode == 2, ended.stderr
    assert re.search(told, ended.stderr)
    assert ended.stderr.count("\n") == 1
