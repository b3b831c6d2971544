"""Miniature releases, old and new: what is read, what is left out, what is drawn."""

import os
import shutil
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stylewav_pl.data import ClipDataModule, CommonVoice, Population
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import Skip

SEXES = {"male": Population(2), "female": Population(2)}


def counts(source: CommonVoice) -> dict[tuple[str, str], int]:
    return {(stage.stage, stage.population): stage.count for stage in source.funnel}


@pytest.mark.parametrize("number", [14, 16.1, 17, 25])
def test_releases_with_durations(release: Any, rows: list[Any], tmp_path: Path, number: float) -> None:
    release(tmp_path, number).write(rows)
    source = CommonVoice(tmp_path, "sex", SEXES)
    clips = source.list_clips()
    assert [clip.labels["sex"] for clip in clips] == ["male", "female", "male", "female"]
    assert {clip.speaker for clip in clips} <= {
        f"{sex}{place}" for sex in ("male", "female") for place in range(3)
    }
    assert all(clip.labels["age"] == "40s" and clip.labels["locale"] == "en" for clip in clips)
    assert all(clip.path == (tmp_path / "en" / "clips" / f"{clip.id}.mp3").as_posix() for clip in clips)
    assert counts(source) == {
        ("rows", ""): 16,
        ("left out: not told", ""): 2,
        ("left out: other", ""): 1,
        ("left out: teens, who may be minors", ""): 1,
        **{("labelled", "male"): 7, ("labelled", "female"): 5},
        **{("5 to 5.5 s", "male"): 5, ("5 to 5.5 s", "female"): 5},
        **{("at least 7 words", "male"): 5, ("at least 7 words", "female"): 4},
        **{("of speakers in one population", "male"): 4, ("of speakers in one population", "female"): 3},
        **{("one clip per speaker", "male"): 3, ("one clip per speaker", "female"): 3},
        **{("sampled", "male"): 2, ("sampled", "female"): 2},
    }


@pytest.mark.parametrize("number", [1, 3, 5, 13])
def test_releases_without_durations_open_files_in_the_order_of_the_draw(
    release: Any, rows: list[Any], spoken: dict[str, Path], tmp_path: Path, number: float
) -> None:
    old = release(tmp_path, number)
    old.write(rows)
    for row in rows:
        if row.name not in ("short", "long") and row.gender in ("male", "female"):
            os.link(spoken[f"{row.gender}.mp3"], old.folder() / "clips" / f"{row.name}.mp3")
    source = CommonVoice(tmp_path, "sex", {"male": Population(3), "female": Population(3)}, locales=["en"])
    assert {clip.speaker for clip in source.list_clips()} == {
        f"{sex}{place}" for sex in ("male", "female") for place in range(3)
    }
    found = counts(source)
    assert ("5 to 5.5 s", "male") not in found
    assert (
        6 <= found["files opened for their duration", ""] <= 9
    )  # "short" and "long" have no file and may come first
    assert {clip.labels["locale"] for clip in source.list_clips()} == {"en"}


def test_sound_comes_through_the_data_module(
    release: Any, recording: Any, spoken: dict[str, Path], tmp_path: Path
) -> None:
    new = release(tmp_path, 25)
    new.write([recording("a", "ann", "female"), recording("b", "bob", "male")])
    for name, sex in (("a", "female"), ("b", "male")):
        shutil.copy(spoken[f"{sex}.mp3"], new.folder() / "clips" / f"{name}.mp3")
    data = ClipDataModule(
        [CommonVoice(tmp_path, "sex", {"male": Population(1), "female": Population(1)})], num_workers=0
    )
    waveform = data.load("a")
    assert not isinstance(waveform, Skip)
    assert waveform.shape == (80_000,)
    (new.folder() / "clips" / "b.mp3").unlink()
    gone = data.load("b")
    assert isinstance(gone, Skip)  # a file that is gone since is named, not a reason to stop
    assert len(data.samples) == 1
    assert data.funnel == data.sources[0].funnel


def test_a_sample_does_not_depend_on_the_order_of_the_rows(
    release: Any, rows: list[Any], tmp_path: Path
) -> None:
    samples = []
    for name, ordered in (("one", rows), ("other", rows[::-1])):
        release(tmp_path / name, 25).write(ordered)
        samples.append([clip.id for clip in CommonVoice(tmp_path / name, "sex", SEXES).list_clips()])
    assert samples[0] == samples[1]


def test_a_clip_in_two_splits_counts_once(release: Any, rows: list[Any], tmp_path: Path) -> None:
    release(tmp_path, 17).write(rows)
    release(tmp_path, 17).write(rows[:4], split="train")
    release(tmp_path, 17).write(rows)  # the durations of all
    source = CommonVoice(tmp_path, "sex", SEXES, splits=["train", "validated"])
    assert counts(source)["rows", ""] == 16
    few = CommonVoice(tmp_path, "sex", {"male": Population(3), "female": Population(1)}, splits=["train"])
    assert {clip.speaker for clip in few.list_clips()} == {"male0", "male1", "male2", "female0"}


def test_teens_are_used_when_asked_for(release: Any, rows: list[Any], tmp_path: Path) -> None:
    release(tmp_path, 25).write(rows)
    ages = {"10s": Population(1, ["teens"]), "40s": Population(1, ["forties"])}
    with pytest.raises(ConfigError, match="include_teens"):
        CommonVoice(tmp_path, "age", ages)
    clips = CommonVoice(tmp_path, "age", ages, include_teens=True).list_clips()
    assert (clips[0].labels["age"], clips[0].labels["sex"]) == ("10s", "female")
    assert clips[1].labels["age"] == "40s"


def test_several_locales(release: Any, recording: Any, tmp_path: Path) -> None:
    for locale in ("de", "en", "fr"):
        release(tmp_path, 25).write(
            [recording(f"common_voice_{locale}_{place}", f"{locale}{place}", "male") for place in range(3)],
            locale,
        )
    source = CommonVoice(
        tmp_path, "locale", {"german": Population(2, ["de"]), "en": Population(2)}, locales=["de", "en"]
    )
    assert sorted(clip.labels["locale"] for clip in source.list_clips()) == ["en", "en", "german", "german"]
    assert counts(source)["rows", ""] == 6
    alone = CommonVoice(tmp_path / "de", "locale", {"de": Population(3)})  # the folder of one locale
    assert len(alone.list_clips()) == 3
    with pytest.raises(ConfigError, match="no locale it; found de, en, fr"):
        CommonVoice(tmp_path, "sex", SEXES, locales=["it"]).list_clips()


@pytest.mark.parametrize(("number", "trait"), [(5, "accent"), (17, "accent"), (17, "accents")])
def test_accent_and_accents(release: Any, rows: list[Any], tmp_path: Path, number: float, trait: str) -> None:
    release(tmp_path, number).write(rows)
    shutil.copy(_times(tmp_path, rows), tmp_path / "en" / "clip_durations.tsv")
    clips = CommonVoice(tmp_path, trait, {"American": Population(6, ["US"])}).list_clips()
    assert {clip.labels[trait] for clip in clips} == {"American"}


def _times(folder: Path, rows: list[Any]) -> Path:
    """A table of durations with the header that the README of the releases tells, and paths in front of the
    names."""
    path = folder / "times.tsv"
    path.write_text(
        "filename\tduration[ms]\n"
        + "".join(f"clips/{row.name}.mp3\t{row.seconds * 1000:.0f}\n" for row in rows)
    )
    return path


@pytest.mark.parametrize("line", ["{0} {1}", "{0},{1}", "clips/{0}\t{1}.0"])
def test_durations_however_they_are_separated(
    release: Any, rows: list[Any], tmp_path: Path, line: str
) -> None:
    release(tmp_path, 5).write(rows)
    times = [line.format(f"{row.name}.mp3", round(row.seconds * 1000)) for row in rows]
    (tmp_path / "en" / "times.txt").write_text("\n".join(["file duration", *times]))
    source = CommonVoice(tmp_path, "sex", SEXES)
    assert len(source.list_clips()) == 4
    assert counts(source)["5 to 5.5 s", "male"] == 5
    assert ("files opened for their duration", "") not in counts(source)


def test_durations_by_the_names_of_their_columns(release: Any, rows: list[Any], tmp_path: Path) -> None:
    """In any order and beside others; a table that is empty gives way to the older one."""
    release(tmp_path, 16.0).write(rows)
    (tmp_path / "en" / "clip_durations.tsv").touch()
    assert counts(CommonVoice(tmp_path, "sex", SEXES))["5 to 5.5 s", "male"] == 5
    lines = [
        "duration [ms]\tclip\tchannels",
        *(f"{row.seconds * 1e3:.3e}\t{row.name}.mp3\t1" for row in rows),
    ]
    (tmp_path / "en" / "clip_durations.tsv").write_text("\r\n".join(lines))
    assert counts(CommonVoice(tmp_path, "sex", SEXES))["5 to 5.5 s", "male"] == 5


def test_rows_that_come_twice_are_one_clip(release: Any, rows: list[Any], tmp_path: Path) -> None:
    release(tmp_path, 25).write([*rows, *rows])
    settings: dict[str, Any] = {"clips_per_speaker": 5}
    source = CommonVoice(tmp_path, "sex", {"male": Population(4), "female": Population(3)}, **settings)
    assert len({clip.id for clip in source.list_clips()}) == 7
    assert counts(source)["at least 7 words", "male"] == 10
    assert counts(source)["of different files", "male"] == 5
    with pytest.raises(ConfigError, match="female has 3 of 4"):
        CommonVoice(
            tmp_path, "sex", {"male": Population(4), "female": Population(4)}, **settings
        ).list_clips()


def test_locales_may_share_file_names(release: Any, recording: Any, tmp_path: Path) -> None:
    for locale in ("de", "en"):
        release(tmp_path, 25).write(
            [recording(f"clip_{place}", f"{locale}{place}", "male") for place in range(3)], locale
        )
    source = CommonVoice(tmp_path, "locale", {"de": Population(3), "en": Population(3)})
    assert {clip.id for clip in source.list_clips()} == {
        f"{locale}/clip_{place}" for locale in ("de", "en") for place in range(3)
    }
    twice = CommonVoice(tmp_path, "locale", {"de": Population(3)}, locales=["de", "de"])
    assert sorted(clip.id for clip in twice.list_clips()) == ["clip_0", "clip_1", "clip_2"]
    assert counts(twice)["rows", ""] == 3


def test_tables_alone_tell_the_funnel(release: Any, rows: list[Any], tmp_path: Path) -> None:
    for number, root in ((1, tmp_path / "old"), (25, tmp_path / "new")):
        release(root, number).write(rows)
        folder = release(root, number).folder()
        shutil.copy(_times(tmp_path, rows), folder / "clip_durations.tsv")
        (folder / "clips").rmdir()
        assert counts(CommonVoice(root, "sex", SEXES))["sampled", "male"] == 2


def test_a_folder_that_may_not_be_read_is_no_locale(
    release: Any, rows: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path, 25).write(rows)
    (tmp_path / "lost+found").mkdir()
    stat = os.stat

    def guarded(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if "lost+found/" in str(
            path
        ):  # what lies in it; who runs the tests may be allowed to read everything
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", guarded)
    assert len(CommonVoice(tmp_path, "sex", SEXES).list_clips()) == 4


@pytest.mark.parametrize("front", ["clips/", "../../somewhere/else/", "/etc/"])
def test_sounds_are_in_clips_whatever_the_table_says(
    release: Any, recording: Any, tmp_path: Path, front: str
) -> None:
    release(tmp_path, 25).write([recording(f"{front}a", "ann", "female"), recording("b", "bob", "male")])
    clips = CommonVoice(tmp_path, "sex", {"male": Population(1), "female": Population(1)}).list_clips()
    assert [clip.path for clip in clips] == [
        (tmp_path / "en" / "clips" / f"{name}.mp3").as_posix() for name in ("b", "a")
    ]


def test_durations_of_some(release: Any, rows: list[Any], spoken: dict[str, Path], tmp_path: Path) -> None:
    new = release(tmp_path, 25)
    new.write(rows)
    times = (new.folder() / "clip_durations.tsv").read_text().splitlines(keepends=True)
    (new.folder() / "clip_durations.tsv").write_text("".join(line for line in times if "male0" not in line))
    for row in rows:
        if row.name.startswith("common_voice_en_"):
            os.link(spoken[f"{row.gender}.mp3"], new.folder() / "clips" / f"{row.name}.mp3")
    source = CommonVoice(tmp_path, "sex", {"male": Population(3), "female": Population(3)})
    assert len(source.list_clips()) == 6
    assert counts(source)["5 to 5.5 s or not known", "male"] == 5
    assert counts(source)["files opened for their duration", ""] == 6


def _mp3(seconds: float) -> bytes:
    """Of variable bit rate, without the frame that counts the others: its header makes it much too long."""
    wave = np.random.default_rng(0).normal(0, 0.1, round(seconds * 16_000))
    wave[:16_000] = 0
    file = BytesIO()
    soundfile.write(file, wave, 16_000, format="MP3", bitrate_mode="VARIABLE", compression_level=0.1)
    data = file.getvalue()
    return data[data.index(data[:2], 4) :]


@pytest.mark.parametrize("number", [1, 25])
def test_durations_that_headers_guess_are_counted(
    release: Any, recording: Any, tmp_path: Path, number: float
) -> None:
    """With a table as without one: the table may stem from the same headers."""
    new = release(tmp_path, number)
    new.write([recording(f"a{place}", f"p{place}", "male", seconds=5.2) for place in range(6)])
    for place in range(6):
        path = new.folder() / "clips" / f"a{place}.mp3"
        path.write_bytes(_mp3(5.2 if place == 4 else 3.0))
    assert soundfile.info(path).duration > 6, "the guess that is not believed"
    (clip,) = CommonVoice(tmp_path, "sex", {"male": Population(1)}).list_clips()
    assert clip.speaker == "p4"


def test_a_table_of_durations_may_differ_by_what_codecs_add(
    release: Any, recording: Any, tmp_path: Path
) -> None:
    new = release(tmp_path, 25)
    new.write([recording("a", "ann", "female", seconds=5.5)])
    soundfile.write(
        new.folder() / "clips" / "a.mp3", np.full(round(5.55 * 16_000), 0.1), 16_000, format="MP3"
    )
    assert len(CommonVoice(tmp_path, "sex", {"female": Population(1)}).list_clips()) == 1


def test_any_column_and_further_conditions(release: Any, rows: list[Any], tmp_path: Path) -> None:
    release(tmp_path, 25).write(rows)
    women = CommonVoice(tmp_path, "age", {"40s": Population(3, ["fourties"])}, where={"gender": ["female"]})
    assert {clip.labels["sex"] for clip in women.list_clips()} == {"female"}
    assert counts(women)["left out: outside of `where`", ""] == 10
    assert "gender: female" in women.funnel[0].source
    assert len(CommonVoice(tmp_path, "up_votes", {"two": Population(5, ["2"])}).list_clips()) == 5
    with pytest.raises(ConfigError, match="no column for the trait 'shoe size'; found client_id, path"):
        CommonVoice(tmp_path, "shoe size", {"42": Population(1)}).list_clips()


def test_a_balanced_population_is_half_women(release: Any, rows: list[Any], tmp_path: Path) -> None:
    release(tmp_path, 25).write(rows)
    settings: dict[str, Any] = {"trait": "age", "where": {"gender": ["female", "male"]}}
    source = CommonVoice(
        tmp_path, populations={"40s": Population(4, ["forties"])}, balance="gender", **settings
    )
    clips = source.list_clips()
    assert [(clip.labels["age"], clip.labels["sex"]) for clip in clips] == [
        ("40s", "female"),
        ("40s", "male"),
    ] * 2
    assert counts(source)["labelled", "40s, female"] == 3
    assert counts(source)["labelled", "40s, male"] == 4  # "again" is another clip of male0
    assert counts(source)["one clip per speaker", "40s, male"] == 3
    with pytest.raises(ConfigError, match="40s, female has 3 of 4, 40s, male has 3 of 4"):
        CommonVoice(
            tmp_path, populations={"40s": Population(8, ["forties"])}, balance="gender", **settings
        ).list_clips()
    with pytest.raises(ConfigError, match=r"female, male can share equally, found \{'40s': 3\}"):
        CommonVoice(tmp_path, populations={"40s": Population(3, ["forties"])}, balance="gender", **settings)
    with pytest.raises(ConfigError, match="list the values of 'accents'"):
        CommonVoice(tmp_path, populations={"40s": Population(2, ["forties"])}, balance="accents", **settings)


def test_too_few_clips_show_the_funnel(release: Any, rows: list[Any], tmp_path: Path) -> None:
    release(tmp_path, 25).write(rows)
    with pytest.raises(
        ConfigError, match=r"male has 3 of 4[\s\S]*left out: not told +2[\s\S]*at least 7 words +5 +4"
    ):
        CommonVoice(tmp_path, "sex", {"male": Population(4), "female": Population(3)}).list_clips()


def _nothing(tmp_path: Path) -> Path:
    return tmp_path / "nowhere"


def _parent(tmp_path: Path) -> Path:
    (tmp_path / "cv-corpus" / "en" / "clips").mkdir(parents=True)
    return tmp_path


def _no_table(tmp_path: Path) -> Path:
    (tmp_path / "en" / "clips").mkdir(parents=True)
    (tmp_path / "en" / "train.tsv").touch()
    return tmp_path


def _empty_table(tmp_path: Path) -> Path:
    _no_table(tmp_path)
    (tmp_path / "en" / "validated.tsv").touch()
    return tmp_path


def _foreign_table(tmp_path: Path) -> Path:
    _no_table(tmp_path)
    (tmp_path / "en" / "validated.tsv").write_text("path\tsentence\n")
    return tmp_path


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (_nothing, "found nothing"),
        (_parent, "found one in .*cv-corpus"),
        (_no_table, "validated.tsv, found train"),
        (_foreign_table, "client_id"),
        (_empty_table, "validated.tsv is empty"),
    ],
)
def test_what_is_no_release_is_named(root: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        CommonVoice(root(tmp_path), "sex", SEXES).list_clips()


@pytest.mark.parametrize("settings", [{"splits": []}, {"seconds": (5.5, 5.0)}, {"seconds": (0.0, 1.0)}])
def test_impossible_settings_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Expected at least one split"):
        CommonVoice(tmp_path, "sex", SEXES, **settings)


@pytest.mark.slow
def test_large_tables_take_little_computing(tmp_path: Path) -> None:
    rows, people = 250_000, 9_000
    chance = np.random.default_rng(0)
    who, seconds, words = (
        chance.integers(0, people, rows),
        chance.uniform(1, 10, rows),
        chance.integers(1, 16, rows),
    )
    genders, sentence = ("", "male_masculine", "female_feminine"), ["word " * count for count in range(16)]
    folder = tmp_path / "en"
    (folder / "clips").mkdir(parents=True)
    with (folder / "validated.tsv").open("w") as table, (folder / "clip_durations.tsv").open("w") as times:
        table.write("client_id\tpath\tsentence\tage\tgender\n")
        times.write("clip\tduration[ms]\n")
        for row, (speaker, length, count) in enumerate(
            zip(who.tolist(), seconds.tolist(), words.tolist(), strict=True)
        ):
            table.write(f"{speaker:0128x}\t{row}.mp3\t{sentence[count]}\ttwenties\t{genders[speaker % 3]}\n")
            times.write(f"{row}.mp3\t{length * 1000:.0f}\n")
    source = CommonVoice(tmp_path, "sex", {"male": Population(100), "female": Population(100)})
    began = time.process_time()
    assert len(source.list_clips()) == 200
    assert (
        time.process_time() - began < 15
    )  # about a second; 2.5 million rows take ten times as much and must stay below 30 s
    fits, enough = (np.round(seconds, 3) >= 5) & (np.round(seconds, 3) <= 5.5), words >= 7
    for remainder, label in ((1, "male"), (2, "female")):
        assert counts(source)["at least 7 words", label] == int(
            (fits & enough & (who % 3 == remainder)).sum()
        )
