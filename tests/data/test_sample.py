"""A sample of any source; labels from a table; the sounds of VGGSound."""

from pathlib import Path

import pytest

from stylewav_pl.data import BuiltinVoices, ClipDataModule, Folder, Population, Sample, VggSound, Window
from stylewav_pl.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six files of two speakers each, and a table about them."""
    lines = ["\ufeffid,speaker,sex,mood"]  # as spreadsheets write it
    for place in range(6):
        (tmp_path / "deep").mkdir(exist_ok=True)
        name = f"take.{place}" if place % 2 else f"deep/take {place}"
        (tmp_path / f"{name}.wav").touch()
        speaker, sex = ("ann", "Female") if place < 4 else (f"bob{place}", "male")
        lines.append(f"{name},{speaker},{sex},{'' if place else 'glad'}")
    (tmp_path / "extra.mp3").touch()
    (tmp_path / "labels.csv").write_text("\n".join([*lines, "gone/away.wav,eve,female,"]), "utf-8")
    return tmp_path


def test_labels_from_a_table(folder: Path) -> None:
    clips = {clip.id: clip for clip in Folder(folder, labels="csv", prefix="mine").list_clips()}
    assert clips["mine/deep/take 0"].labels == {"sex": "Female", "mood": "glad"}
    assert clips["mine/take.5"].speaker == "bob5"
    assert clips["mine/extra"].labels == {}
    assert (
        clips["mine/gone/away.wav"].path == (folder / "gone/away.wav").as_posix()
    )  # becomes a skip that names it
    assert len(clips) == 8


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,sex\nx,male\n", "expected `id` or `path`"),
        ("id,sex\nx,male\nx,male\n", "'x' more than once"),
        (None, "found nothing"),
        ("", "is empty"),
        ("id,sex\nx,male\n,female\n", "line 3: no file is named"),
        ("id,sex\nx,male\ny,female,z\n", "line 3: cells: 3 instead of 2"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, table: str | None, message: str) -> None:
    if table is not None:
        (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(ConfigError, match=message):
        Folder(tmp_path, labels="csv").list_clips()


def test_a_table_of_labels_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    for name in ("a.wav", "ä, b.wav"):
        (tmp_path / name).touch()
    text = 'id\tspeaker \tsex\r\n"ä, b"\tbo\tmale\r\na.wav\tann\t female\r\n'
    (tmp_path / "labels.csv").write_bytes(text.encode("utf-16"))
    clips = Folder(tmp_path, labels="csv").list_clips()
    assert [(clip.id, clip.speaker, clip.labels) for clip in clips] == [
        ("a", "ann", {"sex": "female"}),
        ("ä, b", "bo", {"sex": "male"}),
    ]


def test_a_sample_of_a_folder(folder: Path) -> None:
    sample = Sample(
        Folder(folder, labels="csv"), "sex", {"women": Population(2, ["female"]), "male": Population(2)}
    )
    clips = sample.list_clips()
    assert [clip.labels["sex"] for clip in clips] == ["women", "male", "women", "male"]
    assert {clip.speaker for clip in clips} == {"ann", "eve", "bob4", "bob5"}
    numbers = {(stage.stage, stage.population): stage.count for stage in sample.funnel}
    assert numbers["left out: without an accepted value", ""] == 1
    assert (numbers["labelled", "women"], numbers["one clip per speaker", "women"]) == (5, 2)
    with pytest.raises(ConfigError, match="male has 2 of 3"):
        Sample(Folder(folder, labels="csv"), "sex", {"male": Population(3)}).list_clips()
    many = Sample(Folder(folder, labels="csv"), "sex", {"female": Population(5)}, clips_per_speaker=4)
    assert len(many.list_clips()) == 5


def test_a_sample_sounds_like_its_source() -> None:
    voices = BuiltinVoices(per_sex=2, seconds=0.6)
    sample = Sample(voices, "sex", {"female": Population(1)}, seed=3)
    (clip,) = sample.list_clips()
    assert sample.read(clip, 16_000, Window()).equal(voices.read(clip, 16_000, Window()))
    assert sample.file_of(clip) is None


def test_only_samples_make_a_run_another_one() -> None:
    voices = BuiltinVoices(per_sex=3)
    seeds = [
        ClipDataModule([voices, Sample(voices, "sex", {"male": Population(1)}, seed=seed)]).samples
        for seed in (0, 0, 1)
    ]
    assert seeds[0] == seeds[1] != seeds[2]
    assert list(seeds[0]) == ["1"]


def test_max_clips_takes_from_every_source_and_population() -> None:
    voices, trait = BuiltinVoices(per_sex=6), {"male": Population(6), "female": Population(6)}
    few = ClipDataModule([Sample(voices, "sex", trait), BuiltinVoices(per_sex=6, seed=1)], max_clips=6)
    clips = few.list_clips()
    assert [clip.labels["sex"] for clip in clips[:3]] == ["male", "female", "male"]
    assert len(clips) == 6
    assert clips == ClipDataModule(few.sources, max_clips=6).list_clips()
    assert few.funnel[-1].count == 6
    # by chance where nothing was drawn: not only the first of the alphabet
    assert (
        len(
            {
                clip.labels["sex"]
                for clip in ClipDataModule([BuiltinVoices(per_sex=40)], max_clips=10).list_clips()
            }
        )
        == 2
    )
    assert ClipDataModule([BuiltinVoices(1)]).funnel == []
    with pytest.raises(ConfigError, match="max_clips"):
        ClipDataModule([BuiltinVoices(1)], max_clips=0)


@pytest.fixture
def sounds(tmp_path: Path) -> VggSound:
    """A table of four clips of three videos, one of which is gone."""
    (tmp_path / "vggsound.csv").write_text(
        '-aB,30,"people laughing, '
        'giggling",train\n-aB,7,thunder,train\nxyz,0,thunder,test\ngone,10,thunder,train\n'
    )
    for name in ("-aB_000030.wav", "-aB_000007.flac", "sub/xyz_000000.mp4"):
        (tmp_path / "sounds" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sounds" / name).touch()
    return VggSound(tmp_path / "vggsound.csv", tmp_path / "sounds")


def test_vggsound(sounds: VggSound) -> None:
    clips = sounds.list_clips()
    assert [(clip.id, clip.speaker, clip.labels["sound"]) for clip in clips] == [
        ("-aB_000030", "-aB", "people laughing, giggling"),
        ("-aB_000007", "-aB", "thunder"),
        ("xyz_000000", "xyz", "thunder"),
    ]
    assert [(stage.stage, stage.count) for stage in sounds.funnel] == [("rows", 4), ("with a file", 3)]
    sample = Sample(sounds, "sound", {"thunder": Population(1)})
    assert sample.list_clips()[0].labels["sound"] == "thunder"
    assert [stage.stage for stage in sample.funnel][:3] == ["rows", "with a file", "clips"]


def test_vggsound_splits_and_names(sounds: VggSound, tmp_path: Path) -> None:
    assert [clip.speaker for clip in VggSound(sounds.table, sounds.path, splits=["test"]).list_clips()] == [
        "xyz"
    ]
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "xyz.wav").touch()
    assert [clip.id for clip in VggSound(sounds.table, tmp_path / "plain", name="{id}").list_clips()] == [
        "xyz"
    ]
    with pytest.raises(ConfigError, match="cannot be filled in"):
        VggSound(sounds.table, sounds.path, name="{video}").list_clips()


def test_what_is_no_vggsound_is_named(sounds: VggSound, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Expected a table at .*none, found nothing"):
        VggSound(tmp_path / "none", sounds.path).list_clips()
    with pytest.raises(ConfigError, match="folder with sounds"):
        VggSound(sounds.table, tmp_path / "none").list_clips()
    for text, message in (
        ("id,start,label,split\n", "line 1: found .*'start'.* has no header"),
        ("a,1,thunder,test\nb,1,people laughing, giggling,test\n", "line 2: cells: 5 instead of 4"),
        ("a,1,thunder,test\nb,soon,thunder,test\n", "line 2: found .*'soon'"),
    ):
        (tmp_path / "other.csv").write_text(text)
        with pytest.raises(ConfigError, match=message):
            VggSound(tmp_path / "other.csv", sounds.path).list_clips()


def test_a_table_of_vggsound_with_a_byte_order_mark_keeps_its_first_row(
    sounds: VggSound, tmp_path: Path
) -> None:
    text = sounds.table.read_text()
    sounds.table.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", " \r").encode())
    assert [clip.speaker for clip in sounds.list_clips()] == ["-aB", "-aB", "xyz"]
