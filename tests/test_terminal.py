"""No file, table or configuration speaks to the terminal: what it says is shown without the codes that one
obeys."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from tars import write_tar

from stylewav_pl.cli import main

CLEAR = "\x1b[2J\x1b]0;title\x07\x9b1m\x08"
WAV = b"RIFF"


def config(path: Path, **sections: object) -> str:
    settings: dict[str, object] = {
        "model": {"generator": "linear", "guide": "linear", "audio": "linear"},
        "data": {"sources": [{"class_path": "Folder", "init_args": {"path": str(path)}}]},
        **sections,
    }
    (path / "c.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    return str(path / "c.yaml")


def labelled(path: Path) -> list[str]:
    (path / CLEAR[:4]).mkdir()
    (path / CLEAR[:4] / f"a{CLEAR}.wav").write_bytes(WAV)
    return ["data", "check", str(path)]


def table(path: Path) -> list[str]:
    (path / "t.csv").write_text(f"path,sex\na{CLEAR}.wav,{CLEAR}\n", "utf-8")
    return ["data", "check", str(path / "t.csv")]


def shard(path: Path) -> list[str]:
    facts = json.dumps({"id": f"id{CLEAR}", "labels": {"sex": f"male{CLEAR}"}}).encode()
    members = {f"a{CLEAR}.wav": WAV, f"a{CLEAR}.json": facts, f"../b{CLEAR}.wav": WAV, f"c{CLEAR}.xyz": b"1"}
    write_tar(path / "s.tar", members)
    return ["data", "check", str(path / "s.tar")]


def tensors(path: Path) -> list[str]:
    names = {f"audio_transform.{CLEAR}": torch.zeros(1), f"{CLEAR}": torch.zeros(1)}
    save_file(names, path / "w")
    return ["weights", "inspect", str(path / "w")]


def metadata(path: Path) -> list[str]:
    facts = {"format": "stylewav-pl", "kind": CLEAR, "architecture": CLEAR, "config": "{}"}
    save_file({CLEAR: torch.zeros(1)}, path / "w", facts)
    return ["weights", "inspect", str(path / "w")]


def source(path: Path) -> list[str]:
    return ["validate", "--config", config(path, model={"generator": f"no{CLEAR}"})]


def unknown_setting(path: Path) -> list[str]:
    return ["validate", "--config", config(path, model={f"gen{CLEAR}": 1})]


def unknown_class(path: Path) -> list[str]:
    return ["validate", "--config", config(path, model={"optimizer": f"os{CLEAR}.system"})]


def pattern(path: Path) -> list[str]:
    sources = [{"class_path": "Shards", "init_args": {"path": f"http://127.0.0.1:9/{CLEAR}.tar"}}]
    return ["--offline", "validate", "--config", config(path, data={"sources": sources})]


def word(path: Path) -> list[str]:
    return [f"fit{CLEAR}"]


CASES = (
    labelled,
    table,
    shard,
    tensors,
    metadata,
    source,
    unknown_setting,
    unknown_class,
    pattern,
    word,
)


@pytest.mark.parametrize("case", CASES)
def test_nothing_steers_the_terminal(
    case: object, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    assert main(case(tmp_path)) != 1  # type: ignore[operator]
    told = capsys.readouterr()
    shown = told.out + told.err
    assert shown and shown.replace("\n", "").isprintable()
