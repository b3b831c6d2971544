"""The commands beside the experiment: one line for one face, reports, weights, voices, trainings."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import save_file

from stylewav_pl.cli import main
from stylewav_pl.runs.cells import read_mappings
from stylewav_pl.weights.registry import ENTRIES, choose_ear

RATE = 16_000
LINEAR = ("--generator", "linear", "--guide", "linear", "--audio-encoder", "linear", "--device", "cpu")


def write_voice(path: Path, seed: int = 0) -> Path:
    time = np.arange(int(0.6 * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.05, time.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * (110 + 37 * seed) * time) + noise, RATE)
    return path


def rows(path: Path) -> list[Mapping[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(read_mappings(file))


def generate(*words: str | Path) -> int:
    return main(["generate", *(str(word) for word in words), *LINEAR])


# generate


def test_generate_makes_an_image_and_a_strip_for_each_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write_voice(tmp_path / name, seed) for seed, name in enumerate(("one.wav", "two.flac"))]
    assert generate(*files, "-o", tmp_path / "out") == 0
    for folder in ("images", "strips"):
        assert [path.name for path in sorted((tmp_path / "out" / folder).iterdir())] == ["one.png", "two.png"]
    with (
        Image.open(tmp_path / "out/images/one.png") as face,
        Image.open(tmp_path / "out/strips/one.png") as strip,
    ):
        assert "Not a portrait" in face.info["Comment"]
        assert strip.width > 5 * face.width  # six pictures side by side
    assert [row["id"] for row in rows(tmp_path / "out/results.csv")] == ["one", "two"]
    assert "not a portrait" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        "Ä voice (1).wav",
        "-dash.wav",
        "no suffix",
        "声.WAV",
        "a=b,[c]{d}.wav",
        "100%.wav",
        "null.wav",
        "1.5.wav",
        'it\'s "it".wav',
    ],
)
def test_generate_takes_odd_names(tmp_path: Path, name: str) -> None:
    wav = write_voice(tmp_path / "plain.wav").rename(tmp_path / name)
    assert generate(wav, "-o", tmp_path / "out") == 0
    (row,) = rows(tmp_path / "out/results.csv")
    assert (row["id"], row["status"]) == (wav.stem, "done")
    assert len(list((tmp_path / "out/images").iterdir())) == 1


def test_generate_takes_names_that_are_no_utf8(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    try:
        write_voice(tmp_path / "plain.wav").rename(odd)
    except OSError:
        pytest.skip("this file system refuses such names")
    for _ in range(2):
        assert generate(odd, write_voice(tmp_path / "other.wav", 1), "-o", tmp_path / "out") == 0
    with (tmp_path / "out/results.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert [row["id"] for row in read_mappings(file)] == [odd.stem, "other"]


def test_generate_keeps_what_is_done_when_files_are_added(tmp_path: Path) -> None:
    one, two = write_voice(tmp_path / "one.wav", 1), write_voice(tmp_path / "two.wav", 2)
    assert generate(one, "-o", tmp_path / "out") == 0
    before = (tmp_path / "out/images/one.png").stat().st_mtime_ns
    assert generate(one, two, "-o", tmp_path / "out") == 0
    assert (tmp_path / "out/images/one.png").stat().st_mtime_ns == before
    assert [row["id"] for row in rows(tmp_path / "out/results.csv")] == ["one", "two"]


def test_generate_tells_files_of_one_name_apart_from_start_to_start(tmp_path: Path) -> None:
    mine, yours = (
        write_voice(tmp_path / "mine" / "voice.wav", 1),
        write_voice(tmp_path / "yours" / "voice.wav", 2),
    )
    for files in ((mine,), (yours,), (yours, mine)):
        assert generate(*files, "-o", tmp_path / "out") == 0
    assert [(row["id"], row["path"]) for row in rows(tmp_path / "out/results.csv")] == [
        ("voice", str(mine)),
        ("voice-2", str(yours)),
    ]


def test_generate_begins_anew_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voice = write_voice(tmp_path / "voice.wav")
    assert generate(voice, "-o", tmp_path / "out", "--steps", "1") == 0
    assert generate(voice, "-o", tmp_path / "out", "--steps", "2") == 5
    assert "--restart" in capsys.readouterr().err, "an option that the command has"
    assert generate(voice, "--run", tmp_path / "out", "--steps", "2", "--restart") == 0
    assert (tmp_path / "out.old-1" / "results.csv").is_file()


def test_generate_takes_files_folders_and_patterns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for seed, name in enumerate(("folder/deep/a.wav", "home/b.wav", "home/c.flac", "alone.wav")):
        write_voice(tmp_path / name, seed)
    (tmp_path / "home" / "notes.txt").write_text("no sound")
    words = (tmp_path / "folder", "~/home/*", tmp_path / "alone.wav", tmp_path / "home" / "b.wav")
    assert generate(*words, "-o", tmp_path / "out") == 0
    assert [row["id"] for row in rows(tmp_path / "out/results.csv")] == ["a", "b", "c", "alone"]
    assert "~/home/*: ignored 1 file (1 .txt)" in capsys.readouterr().out


def test_generate_of_a_folder_without_sounds_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "voices.zip").write_bytes(b"PK")
    assert generate(tmp_path / "texts", "-o", tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert "No audio was found" in told and "ignored 1 file (1 .zip)" in told and "unpack them" in told
    assert generate(tmp_path / "*.ogg", "-o", tmp_path / "out") == 2
    assert "Nothing matches" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_generate_computes_no_more_slots_than_files(tmp_path: Path) -> None:
    one, two = write_voice(tmp_path / "one.wav"), write_voice(tmp_path / "two.wav", seed=1)
    for files, size in (
        ((one, two), 2),
        ((one,), 2),
        ((one, two, write_voice(tmp_path / "three.wav", seed=2)), 2),
    ):
        assert generate(*files, "-o", tmp_path / "out") == 0
        plan = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["plan"]
        assert plan["cohort_size"] == size, "decided at the first start"
    assert [json.loads(line) for line in (tmp_path / "out" / "plan.jsonl").read_text().splitlines()] == [
        ["one", "two"],
        ["three"],
    ]


def test_generate_makes_the_good_faces_beside_bad_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"this is text")
    good = write_voice(tmp_path / "good.wav")
    assert generate(bad, good, "-o", tmp_path / "out") == 0
    assert [row["status"] for row in rows(tmp_path / "out/results.csv")] == ["skipped", "done"]
    told = capsys.readouterr().out
    assert "1 face, 1 clip skipped (1 unreadable; see skipped.csv)" in told
    assert f"  {bad}: unreadable, " in told


def test_generate_names_a_file_that_is_no_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"this is text")
    assert generate(bad, "-o", tmp_path / "out") == 4
    captured = capsys.readouterr()
    assert "1 of 1 clips were skipped" in captured.err
    assert "Traceback" not in captured.err
    assert [(row["id"], row["reason"]) for row in rows(tmp_path / "out/skipped.csv")] == [
        ("bad", "unreadable")
    ]


def test_generate_finishes_the_good_files_beside_bad_and_missing_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [write_voice(tmp_path / f"{name}.wav", seed) for seed, name in enumerate("abcdefgh")]
    (tmp_path / "bad.wav").write_bytes(b"this is text")
    assert generate(*good, tmp_path / "bad.wav", tmp_path / "gone.wav", "-o", tmp_path / "out") == 0
    assert len(list((tmp_path / "out/images").iterdir())) == 8
    assert {row["id"]: row["reason"] for row in rows(tmp_path / "out/skipped.csv")} == {
        "bad": "unreadable",
        "gone": "missing",
    }


def test_generate_without_any_existing_file_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(tmp_path / "gone.wav", "-o", tmp_path / "out") == 2
    assert "None of these is there" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [["generate"], ["generate", "a.wav", "-o", "out", "--device", "abacus"]])
def test_generate_refuses_wrong_options(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "usage: stylewav-pl generate" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_generate_on_a_gpu_that_is_not_there_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "generate",
                str(write_voice(tmp_path / "a.wav")),
                "-o",
                str(tmp_path / "out"),
                "--device",
                "cuda",
            ]
        )
        == 2
    )
    told = capsys.readouterr().err
    assert "gpu" in told and "--device" in told and "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_generate_obeys_the_number_of_steps(tmp_path: Path) -> None:
    assert generate(write_voice(tmp_path / "a.wav"), "-o", tmp_path / "out", "--steps", "3") == 0
    assert list(rows(tmp_path / "out/curves.csv")[0]) == ["id", "0", "1", "2", "3"]


# report


def test_the_report_lets_the_voices_be_heard_unless_they_are_gone_or_unwanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voice, out = write_voice(tmp_path / "one.wav"), tmp_path / "out"
    assert generate(voice, "-o", out) == 0
    page = out / "report.html"
    heard = page.read_bytes()
    assert heard.count(b"data-sound=") == 1
    assert main(["report", str(out)]) == 0
    assert page.read_bytes() == heard
    assert main(["report", str(out), "--no-audio"]) == 0
    assert b"data-sound=" not in page.read_bytes()
    voice.unlink()
    assert main(["report", str(out)]) == 0
    assert b"data-sound=" not in page.read_bytes()
    (out / "config.yaml").write_text("data: {sources: [{class_path: Nowhere}]}")
    capsys.readouterr()
    assert main(["report", str(out)]) == 5, "the page is there, and the damage is named"
    said = capsys.readouterr()
    assert "The voices cannot be heard in the report" in said.out
    assert "config.yaml has 40 bytes" in said.err


def test_report_is_written_again_from_the_directory_alone(tmp_path: Path) -> None:
    write_voice(tmp_path / "a.wav")
    assert generate(tmp_path / "a.wav", "-o", tmp_path / "out") == 0
    page, table = (tmp_path / "out/report.html").read_bytes(), (tmp_path / "out/results.csv").read_bytes()
    for name in ("report.html", "statistics.json", "grid.png"):
        (tmp_path / "out" / name).unlink()
    (tmp_path / "out").rename(tmp_path / "moved")
    assert main(["report", str(tmp_path / "moved")]) == 0
    assert (tmp_path / "moved/report.html").read_bytes().replace(b"moved", b"out") == page.replace(
        b"moved", b"out"
    )
    assert (tmp_path / "moved/statistics.json").exists()
    assert (tmp_path / "moved/results.csv").read_bytes() == table


def test_report_of_something_else_ends_with_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 5
    assert "has no results.csv" in capsys.readouterr().err


# weights


def test_weights_list_names_every_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= len(ENTRIES) >= 3
    for entry in ENTRIES:
        assert any(
            line.split()[:2] == [entry.name, entry.kind] and entry.licence in line.split() for line in lines
        )


def test_weights_list_says_what_must_be_accepted_and_what_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["weights", "list", "--json"]) == 0
    facts = {(fact["name"], fact["kind"]): fact for fact in json.loads(capsys.readouterr().out)}
    assert len(facts) == len(ENTRIES)
    pocket, faces = facts["pocket", "generator"], facts["ffhq-1024", "generator"]
    assert (pocket["state"], pocket["licence_accepted"], pocket["from"]) == ("packaged", True, "package")
    assert (faces["state"], faces["licence_accepted"], faces["size"]) == ("-", False, 381_624_121)
    assert faces["sha256"].startswith("a205a346") and faces["urls"][0].endswith("/ffhq.pkl")


def test_weights_verify_reads_every_packaged_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify"]) == 0
    packaged = 8  # and the speaker encoder's, where it is installed
    assert capsys.readouterr().out.count("whole, ") in (packaged, packaged + 1)
    assert main(["weights", "verify", "ffhq-1024"]) == 2
    assert "ffhq-1024 is not in the cache" in capsys.readouterr().err


def test_weights_fetch_refuses_before_it_asks_anybody(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", "ffhq-1024"]) == 2
    assert "--accept-licence nvidia-stylegan2-ada" in capsys.readouterr().err
    assert main(["weights", "fetch", "wav2clip", "--offline"]) == 2
    assert "the network is switched off" in capsys.readouterr().err
    assert main(["weights", "fetch", "no-such-weights"]) == 2
    assert "ffhq-1024" in capsys.readouterr().err
    assert main(["weights", "fetch", "wav2clip", "--accept-licence", "mit"]) == 2
    assert "nvidia-stylegan2-ada" in capsys.readouterr().err


def test_weights_inspect_tells_what_a_file_holds(capsys: pytest.CaptureFixture[str]) -> None:
    generator = next(entry for entry in ENTRIES if entry.kind == "generator").locate()
    assert main(["weights", "inspect", str(generator)]) == 0
    out = capsys.readouterr().out
    assert "kind          generator" in out
    assert "w_mean" in out


@pytest.mark.parametrize("content", ["missing", "text", "foreign"])
def test_weights_inspect_refuses_other_files(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    path = tmp_path / "file.safetensors"
    if content == "text":
        path.write_text("these are no weights")
    if content == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    assert main(["weights", "inspect", str(path)]) == 2
    error = capsys.readouterr().err
    assert "file.safetensors" in error
    assert "Traceback" not in error


# data


def test_voices_can_be_listened_to_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "voices", "-o", str(tmp_path / "v"), "--per-sex", "1"]) == 0
    files = sorted((tmp_path / "v").rglob("*.wav"))
    assert [path.parent.name for path in files] == ["female", "male"]
    for path in files:
        sound, rate = soundfile.read(path)
        assert rate == RATE
        assert 4.9 < len(sound) / rate < 5.3
        assert np.sqrt(np.mean(sound**2)) > 0.01
    (tmp_path / "v" / "bad.wav").write_bytes(b"x")
    capsys.readouterr()
    assert main(["data", "check", str(tmp_path / "v")]) == 0
    out = capsys.readouterr().out
    assert "3 clips: 1 female, 1 male, 1 unlabelled" in out
    assert "bad.wav: unreadable" in out


def test_checking_a_folder_that_is_missing_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(tmp_path / "none")]) == 2
    assert "Expected a folder" in capsys.readouterr().err


# pocket and help


def test_data_common_voice_shows_the_funnel(
    release: Any, recording: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [(sex, place) for sex in ("female", "male") for place in range(101)]
    rows = [recording(f"{sex}-{place}", f"{sex}-{place}", sex, "thirties") for sex, place in people]
    release(tmp_path, 25).write(rows, split="train")  # without a single sound: nothing is decoded
    assert main(["data", "common-voice", str(tmp_path), "--config", "sex.yaml"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"one clip per speaker +101 +101\n +sampled +100 +100\n", out)
    release(tmp_path, 25).write(rows[2:], split="train")
    assert main(["data", "common-voice", str(tmp_path), "--config", "sex.yaml"]) == 2
    assert re.search(r"female has 99 of 100[\s\S]+one clip per speaker +101 +99", capsys.readouterr().err)
    assert main(["data", "common-voice", str(tmp_path), "--config", "demo.yaml"]) == 2
    assert "no source CommonVoice" in capsys.readouterr().err


def test_data_shards_writes_the_selection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "voices.yaml"
    source = (
        "{class_path: Sample, init_args: {source: {class_path: BuiltinVoices, init_args: {per_sex: 3, "
        "seconds: 0.6}}, trait: sex, "
    )
    config.write_text(f"data: {{sources: [{source} populations: {{female: {{count: 2}}}}}}}}]}}\n")
    assert (
        main(
            [
                "data",
                "shards",
                "--config",
                str(config),
                "-o",
                str(tmp_path / "shards"),
                "--clips-per-shard",
                "1",
            ]
        )
        == 0
    )
    assert "2 clips in" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == [
        "clips-00000.index.json",
        "clips-00000.tar",
        "clips-00001.index.json",
        "clips-00001.tar",
        "shards.json",
    ]


@pytest.mark.parametrize(
    "text", ["data: {sources: 3}", "data: [", "just words", "data: {sources: [{class_path: Nonsense}]}", None]
)
def test_data_of_a_wrong_configuration(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "wrong.yaml").write_text(text)
    assert (
        main(["data", "shards", "--config", str(tmp_path / "wrong.yaml"), "-o", str(tmp_path / "shards")])
        == 2
    )
    assert "wrong.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["pocket", "train"], ["pocket"], ["weights"], ["data"], ["report"], ["weights", "inspect"]]
)
def test_every_command_has_help_and_refuses_to_guess(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    assert "usage: stylewav-pl" in capsys.readouterr().out
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_unknown_network_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pocket", "train", "voices"]) == 2
    assert "'faces', 'adversarial', 'clip', 'judge', 'audio'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [["--steps", "0"], ["--threads", "-1"], ["--scale", "nan"], ["--seed", "one"], ["--device", "abacus"]],
)
def test_a_training_refuses_wrong_numbers(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pocket", "train", "clip", "-o", str(tmp_path / "out"), *options]) == 2
    assert f"argument {options[0]}: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_training_goes_on_with_its_own_settings_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stylewav_pl.training import clip

    given: list[dict[str, Any]] = []

    def interrupted(output: Path, **settings: Any) -> None:
        given.append(settings)
        output.with_name(output.name + ".state").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(clip, "train", interrupted)
    train = ["pocket", "train", "clip", "-o", str(tmp_path), "--steps", "9"]
    assert main(train) == 130
    assert main([*train, "--seed", "1"]) == 2
    assert "--seed 0 -> 1. Continue with those, or begin anew with --no-resume." in capsys.readouterr().err
    assert main([*train, "--threads", "1"]) == 130
    assert main([*train, "--seed", "1", "--no-resume"]) == 130
    assert [(one["seed"], one["steps"], one["device"], one["resume"]) for one in given] == [
        (0, 9, "cpu", True),
        (0, 9, "cpu", True),
        (1, 9, "cpu", False),
    ]


@pytest.mark.parametrize("network", ["clip", "judge"])
def test_guide_and_judge_have_a_recipe_each(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stylewav_pl.training import clip

    given: dict[str, Any] = {}
    monkeypatch.setattr(clip, "train", lambda output, **settings: given.update(settings, output=output))
    assert main(["pocket", "train", network, "-o", str(tmp_path), "--precision", "bfloat16"]) == 0
    assert given["recipe"] is {"clip": clip.GUIDE, "judge": clip.JUDGE}[network]
    assert given["output"] == tmp_path / f"{network}.safetensors"
    assert (given["precision"], given["generator"]) == ("bfloat16", "pocket")


def test_a_training_names_a_wrong_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["pocket", "train", "faces", "-o", str(tmp_path / "file")]) == 2
    assert "Choose another one with -o" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_training_names_a_gpu_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pocket", "train", "faces", "-o", str(tmp_path / "out"), "--device", "cuda"]) == 2
    assert "Train with --device cpu" in capsys.readouterr().err


def test_the_manifest_of_generate_names_its_weights(tmp_path: Path) -> None:
    write_voice(tmp_path / "a.wav")
    assert (
        main(
            [
                "generate",
                str(tmp_path / "a.wav"),
                "-o",
                str(tmp_path / "out"),
                "--device",
                "cpu",
                "--steps",
                "1",
            ]
        )
        == 0
    )
    weights = json.loads((tmp_path / "out/manifest.json").read_text())["weights"]
    assert {name: facts["source"] for name, facts in weights.items()} == {
        "generator": "pocket",
        "guide": "pocket",
        "audio": choose_ear("pocket-auto"),
        "prior": "pocket",
    }
    assert all(len(facts["sha256"]) == 64 for facts in weights.values())
    with Image.open(tmp_path / "out/images/a.png") as face:
        assert face.size == (128, 128)


# fit


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--config"),
        (["--config", "demo.yaml", "--model.num_stepz", "3"], "num_stepz"),
        (["--config", "demo.yaml", "--model.num_steps", "three"], "num_steps"),
    ],
)
def test_a_wrong_option_is_told_in_few_lines(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert told in "\n".join(lines)
    assert "stylewav-pl fit --help" in lines[-1]
    assert len(lines) == 1, "a sentence, not a page of options"
