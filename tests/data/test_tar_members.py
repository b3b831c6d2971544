"""The tar reader: what honest programs write is listed as they wrote it, and nothing that others write can
lead it astray."""

import io
import random
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tars import header_claiming, tar_bytes, without_end

from stylewav_pl.data import tar_members
from stylewav_pl.data.tar_members import Damage, TarMember, list_members

CONTENTS = {
    "a.wav": b"x" * 700,
    "deep/é b.json": b"{}",
    "n" * 150 + ".wav": b"",
    "c/" + "m" * 300 + ".flac": b"y" * 512,
}


def listed(path: Path, data: bytes) -> list[TarMember | Damage]:
    path.write_bytes(data)
    return list(list_members(path))


def read(path: Path, data: bytes) -> dict[str, bytes]:
    """Name and content of whole files; fails where anything is damaged."""
    found = listed(path, data)
    assert all(isinstance(member, TarMember) and member.is_whole for member in found)
    return {
        member.name: data[member.offset : member.offset + member.size]
        for member in found
        if isinstance(member, TarMember)
    }


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tar(tmp_path: Path, format: int) -> None:
    buffer = io.BytesIO()
    names = {
        name: content
        for name, content in CONTENTS.items()
        if format != tarfile.USTAR_FORMAT or len(name) < 100
    }
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, content in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    assert read(tmp_path / "a.tar", buffer.getvalue()) == names


def test_tar_files_one_behind_the_other(tmp_path: Path) -> None:
    data = tar_bytes({"a": b"1"}) + tar_bytes({"b": b"2"})
    assert read(tmp_path / "a.tar", data) == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize("garbage", [512, 1024, 777, 3])
def test_what_lies_behind_garbage_is_found_again(tmp_path: Path, garbage: int) -> None:
    first, second = without_end(tar_bytes({"a": b"1" * 600})), tar_bytes({"b": b"2" * 600, "c": b"3"})
    found = listed(tmp_path / "a.tar", first + random.Random(0).randbytes(garbage) + second)
    assert [one.name if isinstance(one, TarMember) else (one.start, one.end) for one in found] == [
        "a",
        (len(first), len(first) + garbage),
        "b",
        "c",
    ]


def test_a_damaged_header_costs_its_member_alone(tmp_path: Path) -> None:
    data = bytearray(tar_bytes({"a": b"1", "b": b"2", "c": b"3"}))
    data[1024 + 5] ^= 1
    found = listed(tmp_path / "a.tar", bytes(data))
    assert [one.name if isinstance(one, TarMember) else one for one in found] == [
        "a",
        Damage(1024, 2048),
        "c",
    ]


def test_a_cut_in_a_member_and_between_two(tmp_path: Path) -> None:
    data = without_end(tar_bytes({"a": b"1" * 512, "b": b"2" * 512}))
    *_, last = listed(tmp_path / "a.tar", data[:-1])
    assert isinstance(last, TarMember) and not last.is_whole
    assert listed(tmp_path / "a.tar", data)[-1] == Damage(2048, 2048), "no mark of the end"
    assert listed(tmp_path / "a.tar", data[:1024])[-1] == Damage(1024, 1024)


@pytest.mark.parametrize(
    "data", [b"This is a letter.\n" * 500, b"\x1f\x8b\x08" + bytes(range(256)) * 9, b"x"]
)
def test_what_is_no_tar_file(tmp_path: Path, data: bytes) -> None:
    assert listed(tmp_path / "a.tar", data) == [Damage(0, len(data))]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_no_files(tmp_path: Path, kind: bytes) -> None:
    (found,) = listed(tmp_path / "a.tar", tar_bytes({"a.wav": b""}, type=kind, linkname="/etc/passwd"))
    assert isinstance(found, TarMember) and not found.is_file


NEGATIVE = b"\xff" + struct.pack(">q", -1024).rjust(11, b"\xff")
HUGE = b"\x80" + struct.pack(">q", 1 << 60).rjust(11, b"\0")


@pytest.mark.parametrize("kind", [b"0", b"L", b"K", b"x", b"g", b"S", b"5"])
@pytest.mark.parametrize(
    "size", [NEGATIVE, HUGE, b"77777777777", b"xyz"], ids=["negative", "huge", "8 GiB", "text"]
)
def test_lying_sizes_neither_loop_nor_fill_the_memory(tmp_path: Path, size: bytes, kind: bytes) -> None:
    data = (
        without_end(tar_bytes({"a": b"1"}))
        + header_claiming("evil.wav", size, kind)
        + bytes(512)
        + tar_bytes({"b": b"2"})
    )
    found = listed(tmp_path / "a.tar", data)
    assert isinstance(found[0], TarMember) and found[0].name == "a"
    whole = [one for one in found if isinstance(one, TarMember) and one.is_whole]
    assert all(0 <= member.offset <= member.offset + member.size <= len(data) for member in whole)


def test_a_chain_of_long_names_ends(tmp_path: Path) -> None:
    data = header_claiming("x", b"00000000000", b"L") * 1000 + tar_bytes({"b": b"2"})
    assert listed(tmp_path / "a.tar", data)


class Counted(io.FileIO):
    """A file that counts what is read of it, by everybody."""

    bytes_read = calls = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(-1 if size is None else size) or b""
        Counted.bytes_read += len(content)
        Counted.calls += 1
        return content


def claiming(kind: bytes, size: int) -> bytes:
    return header_claiming("x", b"%011o" % size, kind)


def headers_in_step(blocks: int) -> bytes:
    """A pattern of 32 bytes, each repetition of which begins a block with the mark and the sum
    of a header."""
    for filling in range(1, 256):
        checksum = b"000000"
        for _ in range(8):  # the sum counts its own digits
            pattern = b"ustar" + bytes([filling]) * 14 + checksum + b"\0 " + bytes([filling]) * 5
            window = (pattern * 33)[31 : 31 + 512]  # the mark is then where a header has it
            found = b"%06o" % (sum(window) - sum(window[148:156]) + 8 * ord(" "))
            if found == checksum:
                return pattern * (16 * blocks)
            checksum = found
    raise AssertionError("there is no such pattern")


REPEATED: dict[str, Callable[[int], bytes]] = {
    "marks": lambda blocks: (b"ustar" * 103 * blocks)[: 512 * blocks],
    "marks and digits": lambda blocks: b"ustar012345\0 abc" * 32 * blocks,
    "headers without an entry": lambda blocks: (header_claiming("x", b"xyz")) * blocks,
    "headers in step": headers_in_step,
    "long names": lambda blocks: claiming(b"L", 0) * blocks,
    "long names of the rest": lambda blocks: claiming(b"L", 512 * blocks) * blocks,
    "extended headers": lambda blocks: claiming(b"x", 0) * blocks,
    "extended headers of the rest": lambda blocks: claiming(b"x", 512 * blocks) * blocks,
    "headers for all": lambda blocks: claiming(b"g", 1024) * blocks,
    "holes": lambda blocks: claiming(b"S", 512) * blocks,
    "entry and damage": lambda blocks: (claiming(b"0", 0) + b"damage".ljust(512, b".")) * (blocks // 2),
    "zeros": lambda blocks: bytes(512 * blocks),
}


@pytest.mark.parametrize("kind", REPEATED)
def test_work_grows_with_the_file_alone(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {blocks: tmp_path / f"{blocks}.tar" for blocks in (256, 1024)}
    for blocks, file in files.items():
        file.write_bytes(REPEATED[kind](blocks))
    monkeypatch.setattr(Path, "open", lambda path, mode: Counted(path))
    monkeypatch.setattr(tar_members, "LARGEST_HEADER", 1 << 16)  # smaller files show it
    monkeypatch.setattr(tar_members, "CHUNK", 1 << 13)
    work = []
    for blocks, file in files.items():
        Counted.bytes_read = Counted.calls = 0
        found = list(list_members(file))
        assert Counted.bytes_read <= 10 * 512 * blocks + (1 << 17)
        work.append((Counted.bytes_read, Counted.calls + len(found)))
    (few_bytes, few_calls), (many_bytes, many_calls) = work
    assert many_bytes <= 4 * few_bytes + (1 << 14)
    assert many_calls <= 4 * few_calls + 100


def test_what_only_looks_like_a_header_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_members, "MAX_FALSE_STARTS", 100)
    data = tar_bytes({"a": b"1"})[:1024] + b"ustar" * 200 + tar_bytes({"b": b"2"})
    first, damage = listed(tmp_path / "a.tar", data)
    assert isinstance(first, TarMember) and damage == Damage(1024, len(data))


BASE = tar_bytes(CONTENTS)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(BASE) - 1), st.binary(min_size=1, max_size=12)), max_size=8
    ),
    cut=st.integers(0, len(BASE)),
    inserted=st.tuples(st.integers(0, len(BASE)), st.binary(max_size=700)),
)
def test_any_damage(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[int, bytes]],
    cut: int,
    inserted: tuple[int, bytes],
) -> None:
    data = bytearray(BASE)
    for place, value in changes:
        data[place : place + len(value)] = value
    data[inserted[0] : inserted[0]] = inserted[1]
    data = data[:cut]
    end = 0
    for found in listed(tmp_path_factory.getbasetemp() / "fuzz.tar", bytes(data)):
        start = found.start if isinstance(found, Damage) else found.offset
        assert end <= start, "forwards only"
        if isinstance(found, Damage) or found.is_whole:
            end = found.end if isinstance(found, Damage) else found.offset + found.size
            assert end <= len(data)
