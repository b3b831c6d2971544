"""From names to files."""

import os
from pathlib import Path

import pytest

from stylewav_pl.cli import main
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights import registry
from stylewav_pl.weights.registry import ENTRIES, PackagedWeights, resolve


@pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if isinstance(entry, PackagedWeights)],
    ids=lambda entry: f"{entry.name}-{entry.kind}",
)
def test_every_packaged_entry_exists_and_is_reached_by_its_name(entry):
    path = resolve(entry.name, entry.kind)
    assert path == entry.locate()
    assert path.is_file()
    assert entry.licence and entry.summary


def test_names_are_unique_per_kind():
    keys = [(entry.name, entry.kind) for entry in ENTRIES]
    assert len(keys) == len(set(keys))


def test_a_path_is_itself(tmp_path):
    path = tmp_path / "weights.bin"
    path.touch()
    assert resolve(path, "audio") == resolve(str(path), "audio") == path


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch, capsys):
    path = tmp_path / "network"
    path.write_bytes(b"x")
    monkeypatch.setattr(
        os, "access", lambda asked, mode: asked != path
    )  # tests may run as root, who may read everything
    with pytest.raises(WeightsError, match="network may not be read by this user"):
        resolve(path, "generator")
    assert main(["weights", "inspect", str(path)]) == 2
    assert "network may not be read by this user" in capsys.readouterr().err


def test_a_name_comes_before_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "ENTRIES", (PackagedWeights("here", "audio", "MIT", "a file", "types.py"),))
    Path("here").touch()
    assert resolve("here", "audio").name == "types.py"
    assert resolve("./here", "audio") == Path("here")


def test_neither_name_nor_file(tmp_path):
    with pytest.raises(WeightsError, match=r"'generator' \(afhq-cat-512, .*, pocket, .*\).*neither"):
        resolve("ffhq-9", "generator")
    with pytest.raises(WeightsError, match="folder"):
        resolve(tmp_path, "generator")
    with pytest.raises(WeightsError, match="there is none"):
        resolve("pocket", "video")


def test_a_missing_packaged_file_says_install_again():
    with pytest.raises(WeightsError, match="Install stylewav-pl again"):
        PackagedWeights("lost", "audio", "MIT", "gone", "pocket/weights/lost.safetensors").locate()
