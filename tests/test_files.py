"""Files are whole or absent, whatever happens while they are written."""

import json
import os
from pathlib import Path

import pytest

from stylewav_pl.files import (
    SCRATCH,
    TEMPORARY_PREFIX,
    remove_litter,
    whole_file,
    write_json,
    write_text,
)


def everything(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def test_a_file_appears_with_its_folders(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "folder" / "a.txt", "ä\n")
    assert (tmp_path / "new/folder/a.txt").read_bytes() == "ä\n".encode()
    assert everything(tmp_path) == {"new/folder/a.txt"}


def test_it_does_not_exist_while_it_is_written(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.bin") as file:
        file.write(b"half")
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"half"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), whole_file(tmp_path / "a.bin") as file:
        file.write(b"half")
        raise error
    assert everything(tmp_path) == set()


def test_an_error_keeps_the_earlier_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert everything(tmp_path) == {"a.json"}


def test_litter_of_a_killed_process_is_removed_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "images" / "writing-a.png", "x")
    (tmp_path / SCRATCH).mkdir()
    (tmp_path / SCRATCH / "b.png").write_bytes(b"half")
    (tmp_path / f"{TEMPORARY_PREFIX}99-manifest.json").write_bytes(b"half")
    remove_litter(tmp_path)
    assert everything(tmp_path) == {"images/writing-a.png"}


def test_names_from_broken_encodings_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_text(tmp_path / "a.csv", name)
    assert (tmp_path / "a.csv").read_bytes() == b"caf\xe9"
