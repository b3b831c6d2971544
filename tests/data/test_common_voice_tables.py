"""Tables of releases as they are found: with broken rows, quotation marks, other encodings."""

from pathlib import Path
from typing import Any

import pytest

from stylewav_pl.data import CommonVoice, Population
from stylewav_pl.errors import ConfigError

SEXES = {"male": Population(2), "female": Population(2)}


def counts(source: CommonVoice) -> dict[tuple[str, str], int]:
    return {(stage.stage, stage.population): stage.count for stage in source.funnel}


def test_rows_that_are_not_whole_are_left_out_and_told(release: Any, rows: list[Any], tmp_path: Path) -> None:
    """Sentences were typed with tabs and line breaks; what stands behind them would be taken for a label."""
    release(tmp_path, 25).write(rows)
    table = tmp_path / "en" / "validated.tsv"
    first, *lines = table.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace("two", "two\ttoo")
    lines[3] = lines[3].replace("two", "two\ntoo")
    no_file = "speaker\t\tno file" + "\t" * (first.count("\t") - 2) + "\n"
    table.write_text("".join([first, *lines, no_file, "cut off"]))
    source = CommonVoice(
        tmp_path, "locale", {"en": Population(13)}, min_words=0, seconds=(1.0, 9.0), clips_per_speaker=9
    )
    left_out = {"common_voice_en_male1", "common_voice_en_female0", "young"}
    whole = {row.name: row.gender for row in rows if row.name not in left_out}
    assert {clip.id: clip.labels.get("sex", "") for clip in source.list_clips()} == {
        name: gender if gender in SEXES else "" for name, gender in whole.items()
    }
    assert counts(source)["rows", ""] == 16 + 1 + 2
    places = ", ".join(f"en/validated.tsv:{line}" for line in (3, 5, 6))
    assert counts(source)[f"left out: not whole ({places} ...)", ""] == 5


def test_a_sentence_with_a_quotation_mark_swallows_no_row(
    release: Any, recording: Any, tmp_path: Path
) -> None:
    sentences = (
        '"Hello there my very best friend today',
        'I am so glad you said"',
        "five words would be too few",
    )
    people = [
        recording(str(place), str(place), sex, sentence=sentence)
        for place, (sex, sentence) in enumerate(zip(("male", "female", "male"), sentences, strict=True))
    ]
    release(tmp_path, 25).write(people)
    source = CommonVoice(tmp_path, "sex", {"male": Population(2), "female": Population(1)}, min_words=5)
    assert {clip.id: clip.labels["sex"] for clip in source.list_clips()} == {
        "0": "male",
        "1": "female",
        "2": "male",
    }


def test_tables_in_other_encodings_give_the_same_sample(
    release: Any, rows: list[Any], tmp_path: Path
) -> None:
    release(tmp_path, 25).write(rows)
    expected = CommonVoice(tmp_path, "sex", SEXES).list_clips()
    for name in ("validated.tsv", "clip_durations.tsv"):
        table = tmp_path / "en" / name
        table.write_bytes(table.read_text().replace("\n", "\r").encode("utf-16"))
    assert CommonVoice(tmp_path, "sex", SEXES).list_clips() == expected
    table.write_bytes(b"clip\tduration[ms]\ncaf\xe9.mp3\t5000\n")
    with pytest.raises(ConfigError, match=r"clip_durations\.tsv is not UTF-8: line 2 has the byte 0xE9"):
        CommonVoice(tmp_path, "sex", SEXES).list_clips()
