"""Every store gives back what was put into it; shards are what webdataset reads, and the same bytes each
time."""

import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tars import header_claiming, tar_bytes, without_end
from webdataset.tariterators import group_by_keys, tar_file_expander

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.plan import Plan, key_of
from stylewav_pl.runs.stores import (
    IMAGE,
    LATENT,
    RECORD,
    STRIP,
    FileStore,
    Member,
    Output,
    ShardStore,
    Store,
    open_store,
)

IDS = ("a", "Ä/b", "v1.2", "V1.2", "../../x", "/etc/passwd", "x" * 300, "caf\udce9", "line\nbreak")
PLAN = Plan(4).extended(IDS)


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def members(ids: tuple[str, ...]) -> list[Member]:
    return [
        Member(id, kind, f"{kind} of {ids.index(id)}".encode())
        for id in ids
        for kind in (IMAGE, LATENT, RECORD, STRIP)
    ]


def filled(path: Path, kind: str, pool: Executor) -> Store:
    path.mkdir(exist_ok=True)
    cohort_of = {id: cohort.index for cohort in PLAN.cohorts for id in cohort.ids}
    store = open_store(path, Output(kind, "jpeg"), cohort_of.__getitem__)
    for cohort in PLAN.cohorts:
        store.write(cohort.index, members(cohort.ids), pool)
    return store


def files(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_what_was_written_comes_back(tmp_path: Path, kind: str, pool: Executor) -> None:
    store = filled(tmp_path / "run", kind, pool)
    for cohort in PLAN.cohorts:
        for member in members(cohort.ids):
            if kind == "shards" or member.kind != RECORD:
                assert store.read(member.id, member.kind) == member.data
    assert [path.name for path in tmp_path.iterdir()] == ["run"], "no id leads out of the run"


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_writing_again_gives_the_same_bytes_and_no_litter(tmp_path: Path, kind: str, pool: Executor) -> None:
    filled(tmp_path, kind, pool)
    before = files(tmp_path)
    filled(tmp_path, kind, pool)
    assert files(tmp_path) == before
    assert not [name for name in before if ".writing" in name]


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_two_processes_may_be_at_the_same_cohort(tmp_path: Path, kind: str, pool: Executor) -> None:
    """One of them outlived its job: neither may take or cut the other's half-written files."""
    cohort = PLAN.cohorts[0]

    def write(number: int) -> None:
        store = open_store(tmp_path, Output(kind, "jpeg"), lambda id: 0)
        for _ in range(30):
            store.write(0, members(cohort.ids), pool)

    with ThreadPoolExecutor(2) as processes:
        list(processes.map(write, range(2)))
    store = open_store(tmp_path, Output(kind, "jpeg"), lambda id: 0)
    assert all(
        store.read(member.id, member.kind) == member.data
        for member in members(cohort.ids)
        if kind == "shards" or member.kind != RECORD
    )


def test_the_members_of_a_shard_are_looked_up_once(
    tmp_path: Path, pool: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rendering a run again reads clip after clip; searching the shard for each would cost hours for
    millions."""
    store, opened, open_tar = filled(tmp_path, "shards", pool), [], tarfile.open
    monkeypatch.setattr(
        tarfile, "open", lambda *args, **kwargs: opened.append(args) or open_tar(*args, **kwargs)
    )
    for cohort in PLAN.cohorts:
        assert all(store.read(id, LATENT) for id in cohort.ids)
    assert len(opened) == len(PLAN.cohorts)


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_what_was_not_written_is_missing(tmp_path: Path, kind: str, pool: Executor) -> None:
    store = open_store(tmp_path, Output(kind), lambda id: 0)
    with pytest.raises(FileNotFoundError):
        store.read("a", IMAGE)
    store.write(0, [Member("a", LATENT, b"x")], pool)
    with pytest.raises(FileNotFoundError):
        store.read("a", IMAGE)


@pytest.mark.parametrize("kind", ["files", "shards"])
def test_an_error_leaves_nothing_of_the_member(
    tmp_path: Path, kind: str, pool: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        filled(tmp_path, kind, pool)
    assert files(tmp_path) == {}


def test_files_are_where_people_look_for_them(tmp_path: Path, pool: Executor) -> None:
    store = filled(tmp_path, "files", pool)
    assert isinstance(store, FileStore)
    assert (tmp_path / "images" / "a.jpeg").read_bytes() == b"images of 0"
    assert (tmp_path / "latents" / "a.safetensors").exists() and (tmp_path / "strips" / "a.png").exists()
    assert not (tmp_path / "records").exists(), "the journal has them"
    assert len(list((tmp_path / "images").iterdir())) == len(IDS)


def read_by_webdataset(run: Path) -> list[dict[str, Any]]:
    """The samples of all shards; the files are opened here, since webdataset leaves them open."""
    with ExitStack() as files:
        streams = [
            {"url": path.name, "stream": files.enter_context(path.open("rb"))}
            for path in sorted((run / "shards").iterdir())
        ]
        return list(group_by_keys(tar_file_expander(streams)))


def test_webdataset_reads_the_shards(tmp_path: Path, pool: Executor) -> None:
    filled(tmp_path, "shards", pool)
    samples = read_by_webdataset(tmp_path)
    assert [sample["__key__"] for sample in samples] == [key_of(id) for id in IDS]
    assert {tuple(sorted(name for name in sample if not name.startswith("__"))) for sample in samples} == {
        ("jpeg", "json", "safetensors", "strip.png")
    }
    assert samples[1]["jpeg"] == b"images of 1"


def test_a_shard_says_nothing_about_machine_and_moment(tmp_path: Path, pool: Executor) -> None:
    filled(tmp_path, "shards", pool)
    for path in (tmp_path / "shards").iterdir():
        with tarfile.open(path) as tar:
            for member in tar:
                assert member.isfile() and (
                    member.mtime,
                    member.uid,
                    member.gid,
                    member.uname,
                    member.mode,
                ) == (0, 0, 0, "", 0o644)
                assert not member.name.startswith(("/", ".")) and "/" not in member.name


def test_a_damaged_shard_is_named(tmp_path: Path, pool: Executor) -> None:
    store = filled(tmp_path, "shards", pool)
    assert isinstance(store, ShardStore)
    store.path(0).write_bytes(io.BytesIO(b"no tar at all" * 100).getvalue())
    with pytest.raises(RunDirectoryError, match=r"00000000\.tar is damaged"):
        store.read("a", IMAGE)


HOSTILE_SHARDS = {
    "a chain of headers": header_claiming("x", b"00000000000", b"L") * 5000,
    "a header for all": without_end(tar_bytes({"x": b""}, pax_headers={"comment": "y" * 1000})) * 50,
    "a size that is none": header_claiming("x", b"xyz") + bytes(1024),
}


@pytest.mark.parametrize("content", HOSTILE_SHARDS.values(), ids=HOSTILE_SHARDS)
def test_a_shard_that_a_run_never_writes_is_named(tmp_path: Path, content: bytes, pool: Executor) -> None:
    store = filled(tmp_path, "shards", pool)
    assert isinstance(store, ShardStore)
    store.path(0).write_bytes(content + tar_bytes({"a.jpeg": b"1"}))
    with pytest.raises(RunDirectoryError, match=r"00000000\.tar is damaged"):
        store.read("a", IMAGE)
