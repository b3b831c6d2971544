"""results.csv is read by position, and damage is named."""

from pathlib import Path

import pytest

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.rows import read_results

HEADER = "id,path,speaker,sex,age,seed,status,similarity_start,similarity_end,score: a boy,score: a girl"


def written(folder: Path, *lines: str) -> Path:
    (folder / "results.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_rows_come_in_order_with_labels_and_scores(tmp_path: Path) -> None:
    rows = read_results(
        written(
            tmp_path,
            HEADER,
            "a/b,voices/a b.wav,ann,female,,7,done,0.1,0.5,0.2,0.3",
            "c,c.wav,,,,,skipped,,,,",
        )
    )
    assert rows[0].clip.labels == {"sex": "female"}
    assert (rows[0].clip.id, rows[0].clip.path, rows[0].clip.speaker, rows[0].seed, rows[0].done) == (
        "a/b",
        "voices/a b.wav",
        "ann",
        7,
        True,
    )
    assert (rows[0].similarity_start, rows[0].similarity_end) == (0.1, 0.5)
    assert rows[0].scores == {"a boy": 0.2, "a girl": 0.3}
    assert (rows[1].done, rows[1].scores, rows[1].similarity_end, rows[1].clip.labels, rows[1].seed) == (
        False,
        {},
        None,
        {},
        None,
    )


def test_a_run_without_labels_and_scores_is_read(tmp_path: Path) -> None:
    rows = read_results(
        written(
            tmp_path,
            "id,path,speaker,seed,status,similarity_start,similarity_end",
            '"a, ""b""",x,,1,done,0,1',
        )
    )
    assert rows[0].clip.id == 'a, "b"'
    assert rows[0].clip.labels == {}


def test_a_label_may_be_called_like_another_column(tmp_path: Path) -> None:
    header = "id,path,speaker,seed,path,seed,status,similarity_start,similarity_end"
    rows = read_results(written(tmp_path, header, "a,a.wav,ann,early,north,3,done,0,1"))
    assert rows[0].clip.labels == {"seed": "early", "path": "north"}
    assert rows[0].clip.path == "a.wav"


def test_nan_is_no_score(tmp_path: Path) -> None:
    assert read_results(written(tmp_path, HEADER, "a,a.wav,,male,,7,done,0.1,0.5,nan,0.3"))[0].scores == {
        "a girl": 0.3
    }


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("id,path", "a,b"), "found id,path".replace(",", ", ")),
        (("",), "found nothing"),
        ((HEADER, "a,b"), "line 2, found 2"),
        ((HEADER, "a,a.wav,,male,,7,done,much,0.5,0.1,0.3"), "found 'much'"),
        ((HEADER, "a,a.wav,,male,,seven,done,0.1,0.5,0.1,0.3"), "found 'seven'"),
    ],
)
def test_damage_is_named(tmp_path: Path, lines: tuple[str, ...], found: str) -> None:
    with pytest.raises(RunDirectoryError, match="Expected") as caught:
        read_results(written(tmp_path, *lines))
    assert found in str(caught.value)


def test_a_missing_run_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="stylewav-pl fit"):
        read_results(tmp_path)
