"""A run over recordings as they are found in the wild: each is used rightly or named, and nothing else is
lost."""

import csv
import gzip
import json
import resource
import struct
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tars import tar_bytes, without_end, write_tar

from stylewav_pl.cli import main
from stylewav_pl.data import Window
from stylewav_pl.data.audio import decode
from stylewav_pl.runs.cells import read_mappings
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.results import read_skips
from stylewav_pl.runs.rows import read_results
from stylewav_pl.runs.stores import IMAGE
from stylewav_pl.types import AudioError

RATE = 16_000
MALE, FEMALE = "male", "female"
LONG_ID = "long " + "x" * 240


def voice(seconds: float = 0.6, rate: int = RATE, channels: int = 1) -> np.ndarray:
    moments = np.arange(round(seconds * rate)) / rate
    wave = 0.4 * np.sin(2 * np.pi * 220 * moments) + np.random.default_rng(0).normal(0, 0.02, moments.size)
    return np.repeat(wave[:, None], channels, axis=1)


def encoded(wave: np.ndarray, rate: int = RATE, format: str = "WAV", subtype: str | None = None) -> bytes:
    buffer = BytesIO()
    soundfile.write(buffer, wave, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def chunks(*parts: tuple[bytes, bytes], declared: int | None = None) -> bytes:
    """A wav file of these chunks."""
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in parts
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body) if declared is None else declared) + b"WAVE" + body


PCM = (np.clip(voice()[:, 0], -1, 1) * 32767).astype("<i2").tobytes()
FORMAT = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
WAV = encoded(voice())


def with_values(*values: float) -> np.ndarray:
    wave = voice()
    wave[4000 : 4000 + len(values), 0] = values
    return wave


def with_claim(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + struct.pack("<I", value) + data[place + 4 :]


# id -> (suffix, bytes); what a person would call fine audio, however odd
FINE: dict[str, tuple[str, bytes]] = {
    "plain": (".wav", WAV),
    "8 bit": (".wav", encoded(voice(), subtype="PCM_U8")),
    "24 bit": (".wav", encoded(voice(), subtype="PCM_24")),
    "float64": (".wav", encoded(voice(), subtype="DOUBLE")),
    "8 channels": (".wav", encoded(voice(channels=8))),
    "384 kHz": (".wav", encoded(voice(rate=384_000), rate=384_000)),
    "clipping": (".wav", encoded(np.clip(20 * voice(), -1, 1))),
    "far above full scale": (".wav", encoded(1e4 * voice(), subtype="FLOAT")),
    "flac called mp3": (".mp3", encoded(voice(), format="FLAC")),
    "odd chunks": (
        ".wav",
        chunks((b"LIST", b"INFO!"), (b"fmt ", FORMAT), (b"junk", b"odd"), (b"data", PCM), (b"note", b"x")),
    ),
    "length of a pipe": (".wav", with_claim(with_claim(WAV, 4, 0xFFFFFFFF), 40, 0xFFFFFFFF)),
    "length of 2 GiB": (".wav", with_claim(with_claim(WAV, 4, 1 << 31), 40, 1 << 31)),
    "ünïcödé 你好 עברית": (".wav", WAV),
    " space ": (".wav", WAV),
    "new\nline": (".wav", WAV),
    "carriage\rreturn": (".wav", WAV),
    'quote", comma': (".wav", WAV),
    "=cell()": (".wav", WAV),
    LONG_ID: (".wav", WAV),
    "Case": (".wav", WAV),
    "case": (".wav", WAV),
    "caf\udce9": (".wav", WAV),
}
BAD: dict[str, tuple[str, bytes, str]] = {
    "empty": (".wav", b"", "empty"),
    "no samples": (".wav", encoded(voice()[:0]), "empty"),
    "one sample": (".wav", encoded(voice()[100:101]), "too-short"),
    "silence": (".wav", encoded(0 * voice()), "silent"),
    "nan": (".wav", encoded(with_values(np.nan), subtype="FLOAT"), "not-finite"),
    "inf": (".wav", encoded(with_values(np.inf, -np.inf), subtype="DOUBLE"), "not-finite"),
    "truncated": (".mp3", encoded(voice(3.0), format="MP3")[:6000], "unreadable"),
    "truncated wav": (".wav", encoded(voice(3.0))[:30_000], "unreadable"),
    "text": (".wav", b"Dear reader, this is a letter.\n" * 40, "unreadable"),
    "web page": (".mp3", b"<!DOCTYPE html><html><body>404</body></html>", "unreadable"),
    "picture": (".flac", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "unreadable"),
    "header alone": (".wav", WAV[:44], "empty"),
    "no format": (".wav", chunks((b"data", PCM)), "unreadable"),
    "lying flac": (
        ".flac",
        encoded(voice(), format="FLAC")[:22] + b"\xff" * 4 + encoded(voice(), format="FLAC")[26:],
        "unreadable",
    ),
    "rate of zero": (".wav", with_claim(WAV, 24, 0), "unreadable"),
}


def told(**facts: object) -> bytes:
    return json.dumps(facts).encode()


def write_folder(folder: Path) -> None:
    folder.mkdir()
    for id, (suffix, data, *_) in (FINE | BAD).items():
        (folder / f"{id}{suffix}").write_bytes(data)
    (folder / "directory.wav").mkdir()
    (folder / "broken link.wav").symlink_to(folder / "nowhere")
    (folder / "plain.flac").write_bytes(encoded(voice(), format="FLAC"))  # an id that is taken


def write_shards(folder: Path) -> None:
    """Good clips ``g-...``, ten in each shard's company of evil."""
    good = [{f"g{shard}-{number}.wav": WAV for number in range(10)} for shard in range(6)]
    write_tar(
        folder / "0.tar",
        {**good[0], "../../escaped.wav": WAV, "/tmp/absolute.wav": WAV, "sub/../../up.wav": WAV},
    )
    links = without_end(tar_bytes({"link.wav": b""}, type=b"2", linkname="/etc/passwd")) + without_end(
        tar_bytes({"device.wav": b""}, type=b"3")
    )
    (folder / "1.tar").write_bytes(links + tar_bytes(good[1]))
    hidden = without_end(tar_bytes({"nul.wav": WAV}, pax_headers={"path": "nul\0x.wav"}))
    whole = without_end(tar_bytes({**good[2], "cut.wav": WAV}))
    (folder / "2.tar").write_bytes(hidden + whole[:-5000])
    start, rest = (
        without_end(tar_bytes(dict(list(good[3].items())[:4]))),
        tar_bytes(dict(list(good[3].items())[4:])),
    )
    (folder / "3.tar").write_bytes(start + b"garbage" * 99 + rest)
    facts = {name.replace(".wav", ".json"): told(labels={"sex": FEMALE}) for name in good[4]}
    write_tar(folder / "4.tar", {**good[4], **facts, "latin.wav": WAV, "latin.json": b'{"id": "caf\xe9"}'})
    write_tar(
        folder / "5.tar", {**good[5], "g0-0.wav": WAV, "G0-0.wav": WAV, "bad/quiet.wav": encoded(0 * voice())}
    )


SHARD_SKIPS = {
    "../../escaped": "unsafe",
    "/tmp/absolute": "unsafe",
    "sub/../../up": "unsafe",
    "link": "unsafe",
    "device": "unsafe",
    "nul\\0x": "unsafe",
    "cut": "unreadable",
    "3.tar": "unreadable",
    "latin": "bad-labels",
    "g0-0": "duplicate-id",
    "bad/quiet": "silent",
}


class Wild:
    """One run over everything."""

    def __init__(self, path: Path) -> None:
        self.path, self.run, self.config = path, path / "run", path / "wild.yaml"
        write_folder(path / "found")
        (path / "shards").mkdir()
        write_shards(path / "shards")
        rows = [
            ["path", "id", "sex"],
            [str(path / "found" / "plain.wav"), "from a table", MALE],
            ["gone.wav", "gone", MALE],
        ]
        with (path / "table.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        sources = [("Folder", path / "found"), ("Shards", path / "shards"), ("Manifest", path / "table.csv")]
        data = {
            "cohort_size": 16,
            "num_workers": 0,
            "sources": [{"class_path": name, "init_args": {"path": str(at)}} for name, at in sources],
        }
        config = {
            "model": {"generator": "linear", "guide": "linear", "audio": "linear", "num_steps": 2},
            "data": data,
            "clip_score": {"prompts": {"sex": {MALE: "a boy", FEMALE: "a girl"}}},
            "progress": {"enabled": False},
            "trainer": {"accelerator": "cpu"},
        }
        self.config.write_text(json.dumps(config), "utf-8")

    def main(self, command: str, *options: str) -> int:
        return main([command, "--config", str(self.config), "--run", str(self.run), *options])

    def skips(self) -> dict[str, str]:
        return {
            Path(skip.id).name if skip.id.endswith(".tar") else skip.id: skip.reason.value
            for skip in read_skips(RunDirectory(self.run))
        }


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Wild:
    """The run, with a limit that allows for all that is bad."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLEWAV_CACHE", str(tmp_path_factory.mktemp("cache")))
        wild = Wild(tmp_path_factory.mktemp("wild"))
        assert wild.main("fit", "--max_skipped_fraction", "0.5") == 0
    return wild


EXPECTED_SKIPS = {
    **{id: reason for id, (_, _, reason) in BAD.items()},
    **SHARD_SKIPS,
    "broken link": "missing",
    "plain": "duplicate-id",
    "gone": "missing",
}


def test_there_are_enough_kinds() -> None:
    assert len(FINE) + len(EXPECTED_SKIPS) >= 40


def test_everything_bad_is_named(wild: Wild) -> None:
    assert wild.skips() == EXPECTED_SKIPS


def test_every_reason_is_a_sentence_without_a_traceback(wild: Wild) -> None:
    for skip in read_skips(RunDirectory(wild.run)):
        assert skip.detail.endswith("."), skip
        assert len(skip.detail) < 400 and "Traceback" not in skip.detail, skip


def test_everything_else_has_a_face(wild: Wild) -> None:
    done = [row.clip.id for row in read_results(wild.run) if row.done]
    shards = {f"g{shard}-{number}" for shard in range(6) for number in range(10)} | {"G0-0"}
    assert len(done) == len(set(done))
    assert set(done) == FINE.keys() | shards | {"from a table"}
    store = RunDirectory(wild.run).store
    assert all(store.read(id, IMAGE) for id in done)
    assert len(list((wild.run / "images").iterdir())) == len(done)


def test_nothing_was_written_elsewhere(wild: Wild) -> None:
    assert sorted(path.name for path in wild.path.iterdir()) == [
        "found",
        "run",
        "shards",
        "table.csv",
        "wild.yaml",
    ]
    assert not (wild.path.parent / "escaped.wav").exists()
    assert not Path("/tmp/absolute.wav").exists()


def test_tables_and_report_hold_every_name(wild: Wild) -> None:
    with (wild.run / "curves.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert {row["id"] for row in read_mappings(file)} == {
            row.clip.id for row in read_results(wild.run) if row.done
        }
    labelled = {row.clip.id: row.clip.labels.get("sex") for row in read_results(wild.run)}
    assert (labelled["from a table"], labelled["g4-3"], labelled["g3-3"]) == (MALE, FEMALE, None)
    before = (wild.run / "report.html").read_text("utf-8")
    assert "new\nline" in before and "你好" in before
    assert main(["report", str(wild.run), "--no-audio"]) == 0
    assert (wild.run / "grid.png").stat().st_size > 1000


def test_the_same_command_finds_nothing_left_to_do_and_the_limits_end_it(
    wild: Wild, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {name: (wild.run / name).read_bytes() for name in ("results.csv", "curves.csv", "skipped.csv")}
    total = len(EXPECTED_SKIPS) + len(FINE) + 62
    assert wild.main("fit") == 4
    assert (
        f"{len(EXPECTED_SKIPS)} of {total} clips were skipped, more than max_skipped_fraction 0.2"
        in capsys.readouterr().err
    )
    assert wild.main("fit", "--max_skipped_fraction", "0.5", "--strict") == 3
    assert {name: (wild.run / name).read_bytes() for name in tables} == tables


def test_scoring_again_keeps_the_skips_that_never_were_in_the_plan(wild: Wild) -> None:
    before = (wild.run / "skipped.csv").read_bytes()
    assert wild.main("test") == 0
    assert sorted((wild.run / "skipped.csv").read_bytes().splitlines()) == sorted(before.splitlines())


def test_validate_and_check_tell_the_same_without_a_run(
    wild: Wild, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wild.main("validate", "--max_skipped_fraction", "0.5") == 0
    validated = capsys.readouterr().out
    assert main(["data", "check", "--config", str(wild.config)]) == 0
    checked = capsys.readouterr().out
    assert f"{len(EXPECTED_SKIPS)} would be skipped" in checked
    assert f"cannot be used: {len(EXPECTED_SKIPS)} clips" in validated
    for reason in set(EXPECTED_SKIPS.values()):
        assert f": {reason}, " in checked and f": {reason}, " in validated
    assert main(["data", "check", str(wild.path / "shards"), str(wild.path / "table.csv")]) == 0
    assert f"{len(SHARD_SKIPS) + 1} would be skipped" in capsys.readouterr().out


def test_checking_needs_one_kind_of_source(wild: Wild, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check"]) == 2
    assert main(["data", "check", str(wild.path / "found"), "--config", str(wild.config)]) == 2
    assert "not both" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_a_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").write_bytes(WAV)

    def denied(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(AudioError, match="unreadable: Cannot be read as audio: Permission denied") as caught:
        decode(tmp_path / "a.wav", RATE)
    assert str(tmp_path) not in caught.value.detail


@pytest.mark.parametrize("place", ["first", "center", "loudest"])
def test_three_hours_take_no_more_memory_than_five_seconds(tmp_path: Path, place: str) -> None:
    """A sparse file: three hours of zeros, and a voice in the middle."""
    path, middle = tmp_path / "long.wav", 3 * 3600 * 8000 // 2
    sound = (0.3 * 32767 * np.sin(np.arange(8000 * 10) / 5)).astype("<i2").tobytes()
    with path.open("wb") as file:
        file.write(encoded(np.zeros(1), 8000)[:40] + struct.pack("<I", 4 * middle))
        file.seek(4, 0)
        file.write(struct.pack("<I", 36 + 4 * middle))
        file.seek(44 + 2 * (middle - 8000 * 5))
        file.write(sound)
        file.truncate(44 + 4 * middle)
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if place == "first":
        with pytest.raises(AudioError, match="silent"):
            decode(path, RATE, Window(place=place))
    else:
        assert len(decode(path, RATE, Window(place=place))) == 5 * RATE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000, "KB"
    # of computing, so that it does not matter what else the machine does; all of it decoded takes minutes
    assert time.process_time() - begin < (120 if place == "loudest" else 20)


def test_where_nothing_can_be_listed_the_reasons_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shards").mkdir()
    for number in range(7):
        (tmp_path / "shards" / f"{number}.tar").write_bytes(gzip.compress(tar_bytes({"a.wav": WAV})))
    source = {"class_path": "Shards", "init_args": {"path": str(tmp_path / "shards")}}
    config = {
        "model": {"generator": "linear", "guide": "linear", "audio": "linear"},
        "data": {"sources": [source]},
        "trainer": {"accelerator": "cpu"},
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    assert main(["fit", "--config", str(tmp_path / "c.yaml"), "--run", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert (
        said.count("This is a gzip file; expected a plain tar file. Decompress it.") == 5
        and "2 more like these" in said
    )
    assert not (tmp_path / "run").exists()


def test_a_plainly_wrong_folder_ends_early_with_4_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "found").mkdir()
    for number in range(60):
        (tmp_path / "found" / f"{number}.wav").write_bytes(b"text")
    source = {"class_path": "Folder", "init_args": {"path": str(tmp_path / "found")}}
    (tmp_path / "c.yaml").write_text(
        json.dumps(
            {
                "model": {"generator": "linear", "guide": "linear", "audio": "linear", "num_steps": 2},
                "data": {"cohort_size": 2, "num_workers": 0, "sources": [source]},
                "progress": {"enabled": False},
                "trainer": {"accelerator": "cpu"},
            }
        )
    )
    assert main(["fit", "--config", str(tmp_path / "c.yaml"), "--run", str(tmp_path / "run")]) == 4
    assert "See skipped.csv" in capsys.readouterr().err
    assert 12 < (tmp_path / "run" / "skipped.csv").read_text("utf-8").count("unreadable") < 60, (
        "the rest was not even tried"
    )
