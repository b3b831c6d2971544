"""Recorded people: tables that are checked, parts that share nobody, conditions and figures that can be
worked out by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch
from torch.nn import functional as F

from stylewav_pl.embedders import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.embedders.wav2clip import AudioNetwork
from stylewav_pl.errors import ConfigError
from stylewav_pl.pocket.voices import Sex, draw_speaker, speak
from stylewav_pl.training import audio_tuning, moved_voices, recordings_evaluation, speaker
from stylewav_pl.training.audio import save_encoder
from stylewav_pl.training.face_targets import (
    FaceTargets,
    Prompts,
    embed_prompts,
    make_face_targets,
    text_loss,
)
from stylewav_pl.training.moved_voices import ANYBODY, THE_SAME, heard_by, move_voice, moved_at_random
from stylewav_pl.training.people_bank import group_weights, make_people_bank
from stylewav_pl.training.pitch_shift import log_envelope, shift_pitch
from stylewav_pl.training.recording_conditions import (
    babble,
    coloured_noise,
    mixed,
    random_condition,
    telephone,
    tilted,
)
from stylewav_pl.training.recordings import Part, Person, part_of, people_of, read_recordings
from stylewav_pl.training.recordings_evaluation import (
    ask_encoder,
    ask_pitch,
    median_pitch,
    report,
    under,
)
from stylewav_pl.training.recordings_figures import Answer, figures, measures
from stylewav_pl.training.voice_bank import VoiceBank
from stylewav_pl.weights.store import read_weights

RATE = 16_000


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    """A voiced sound: ten harmonics."""
    times = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * hertz * k * times) / k for k in range(1, 11))
    return np.asarray(0.1 * wave, dtype=np.float32)


Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with a table: two recordings each of so many girls, boys, women and men."""

    def make(of_each: int = 2, rows: list[str] | None = None) -> Path:
        lines = ["path,speaker,sex,age"]
        kinds = [("female", 8), ("male", 9), ("female", 30), ("male", 30)]
        for number in range(of_each):
            for sex, age in kinds:
                for take in range(2):
                    name = f"{sex}{age}-{number}"
                    hertz = (110 if sex == "male" else 210) if age > 18 else 300
                    soundfile.write(tmp_path / f"{name}-{take}.wav", tone(hertz), RATE)
                    lines.append(f"{name}-{take}.wav,{name},{sex},{age}")
        (tmp_path / "table.csv").write_text("\n".join([*lines, *(rows or [])]) + "\n")
        return tmp_path

    return make


def test_parts_are_balanced_and_share_nobody(folder: Folder) -> None:
    everyone = read_recordings(folder(14))
    names: tuple[Part, ...] = ("held-out", "validation", "training")
    parts = {part: people_of(part_of(part, everyone)) for part in names}
    groups = [[person.group for person in people] for people in parts.values()]
    assert [[told.count(group) for group in ("girl", "boy", "woman", "man")] for told in groups] == [
        [7] * 4,
        [4] * 4,
        [3] * 4,
    ]
    assert len({person for people in parts.values() for person in people}) == 56


def test_who_is_held_out_does_not_depend_on_the_order_of_the_table(folder: Folder) -> None:
    everyone = read_recordings(folder(9))
    forward, backward = (people_of(part_of("held-out", rows)) for rows in (everyone, everyone[::-1]))
    assert forward == backward


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("gone.wav,x,female,20", "is no file"),
        ("female8-0-0.wav,x,woman,20", "expected the sex female or male"),
        ("female8-0-0.wav,x,female,old", "cannot be used"),
        ("female8-0-0.wav,x,female,-3", "age in years"),
        ("female8-0-0.wav,female8-1,female,9", "two sexes or ages"),
        ("female8-0-0.wav,x,female,8,9", "line 18: cells: 5 instead of 4"),
    ],
)
def test_a_wrong_row_is_named(folder: Folder, row: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_recordings(folder(rows=[row]))


def test_a_missing_table_is_named_and_doubtful_people_are_left_out(folder: Folder, tmp_path: Path) -> None:
    rows = ["female8-0-0.wav,2380,female,21", "female8-0-0.wav,unknown,female,"]
    names = {person.name: person for person in people_of(read_recordings(folder(rows=rows)))}
    assert "2380" not in names and math.isnan(names["unknown"].years) and names["unknown"].group == "woman"
    with pytest.raises(ConfigError, match=r"table\.csv.*found nothing"):
        read_recordings(tmp_path / "nowhere")


def test_noise_has_its_colour_and_level() -> None:
    random = np.random.default_rng(0)
    noise = coloured_noise(RATE * 4, 1.0, random)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [power[4 * low : 8 * low].sum() for low in (100, 400, 1600)]
    assert max(octaves) / min(octaves) < 1.2  # pink: every octave has the same power
    voice = tone(200)
    added = mixed(voice, coloured_noise(RATE, 0.0, random), 10.0) - voice
    assert 10 * np.log10(np.mean(voice**2) / np.mean(added**2)) == pytest.approx(10.0, abs=0.1)
    assert babble(8000, [tone(150), tone(230)], random).std() == pytest.approx(1.0, abs=1e-3)


def test_a_telephone_passes_its_band_in_few_steps() -> None:
    times = np.arange(RATE) / RATE
    low, inside, high = (
        telephone(np.asarray(0.3 * np.sin(2 * np.pi * f * times), dtype=np.float32)).std()
        for f in (60, 1000, 5000)
    )
    assert inside == pytest.approx(0.3 / 2**0.5, rel=0.1)
    assert low < 0.05 * inside and high < 0.05 * inside


def test_conditions_are_seeded_and_within_full_scale() -> None:
    waves = [tone(120, 3.0), tone(220, 3.0)]
    for seed in range(12):
        first, again = (random_condition(waves[0], waves, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(first, again) and np.isfinite(first).all() and np.abs(first).max() <= 1
        assert 0.79 * RATE <= len(first) <= 3 * RATE
    assert tilted(tone(200), 3.0).std() == pytest.approx(tone(200).std(), rel=1e-3)


@pytest.mark.parametrize(("sex", "semitones"), [("female", -3.0), ("male", 5.0)])
def test_pitch_moves_and_formants_stay(sex: Sex, semitones: float) -> None:
    voice = np.asarray(speak(draw_speaker("shift", sex, 30), 0, 2.0), dtype=np.float32)
    moved = shift_pitch(voice, semitones)
    assert moved.shape == voice.shape
    assert 12 * np.log2(median_pitch(moved) / median_pitch(voice)) == pytest.approx(semitones, abs=1.0)

    before, after, both = (
        log_envelope(librosa.stft(wave, n_fft=1024)).mean(axis=1)[6:250]
        for wave in (voice, moved, librosa.effects.pitch_shift(voice, sr=RATE, n_steps=semitones))
    )
    distance = [float(np.std(envelope - before)) for envelope in (after, both)]
    assert distance[0] < 0.6 * distance[1]


def answers_of(*rows: tuple[str, str, float, float, float]) -> list[Answer]:
    return [Answer(Person(name, sex, float(years)), male, grown) for name, sex, years, male, grown in rows]


def test_each_speaker_counts_once() -> None:
    told = figures(
        answers_of(
            ("a", "female", 30, -1.0, 1.0),
            ("a", "female", 30, -1.0, 1.0),
            ("a", "female", 30, 1.0, 1.0),
            ("a", "female", 30, 1.0, -1.0),
            ("b", "female", 20, -1.0, -1.0),
            ("c", "male", 30, 1.0, 1.0),
            ("d", "female", 8, 1.0, -1.0),
        )
    )
    assert told["women"].value == pytest.approx(0.75)
    assert told["adults, balanced"].value == pytest.approx(0.875)
    assert told["women called adult"].value == pytest.approx(0.375)
    assert told["child or adult"].value == pytest.approx((1 + (0.75 + 0 + 1) / 3) / 2)
    assert told["girls"].value == 0 and "boys" not in told
    assert told["women"].low == 0.5 and told["women"].high == 1.0 and told["men"].low == 1.0
    years, grown = [30, 30, 30, 30, 20, 30, 8], [1.0, 1, 1, -1, -1, 1, -1]
    assert told["correlation with age"].value == pytest.approx(np.corrcoef(years, grown)[0, 1])


def test_the_baseline_is_a_pitch_threshold(folder: Folder) -> None:
    everyone = read_recordings(folder(1))
    told = figures(ask_pitch(everyone, under("as recorded", everyone), progress=False))
    assert told["adults, balanced"].value == 1.0 and told["child or adult"].value == 1.0
    assert told["boys"].value == 0.0
    assert math.isnan(median_pitch(np.zeros(RATE, dtype=np.float32)))


@pytest.mark.parametrize("condition", recordings_evaluation.CONDITIONS)
def test_conditions_change_what_they_say(condition: str, folder: Folder) -> None:
    everyone = read_recordings(folder(1))
    waves = under(condition, everyone)
    assert all(len(wave) == RATE for wave in waves)
    same = [np.array_equal(wave, recording.waveform) for wave, recording in zip(waves, everyone, strict=True)]
    assert all(same) == (condition in ("as recorded", "1 s")) == any(same)


def test_a_report_has_every_measure_under_every_condition(folder: Folder) -> None:
    text = report(recordings_evaluation.evaluate("pocket", folder(1), part="all", pitch=False))
    assert text.startswith("People: 1 boys, 1 girls, 1 men, 1 women.")
    for name in (*recordings_evaluation.CONDITIONS, *measures()):
        assert name in text


def test_the_encoder_is_asked_by_the_prompts(folder: Folder) -> None:
    everyone = read_recordings(folder(1))
    audio, prompts = LinearAudioEmbedder(), embed_prompts(LinearImageTextEmbedder())
    waves = under("as recorded", everyone)
    embedded = audio.embed_audio([torch.from_numpy(np.array(wave)) for wave in waves])
    for row, told in enumerate(ask_encoder(audio, prompts, everyone, waves)):
        assert told.male == pytest.approx(
            float(embedded[row] @ prompts.sex[0] - embedded[row] @ prompts.sex[1]), abs=1e-5
        )


def faces() -> FaceTargets:
    sex = torch.tensor([-0.9, -0.8, 0.9, 0.8, 0.1] * 40)
    age = torch.linspace(0, 1, 200)
    return FaceTargets(F.normalize(torch.stack([sex, age, torch.ones(200)], dim=1), dim=1), sex, age)


def test_targets_are_means_and_neutral_for_children() -> None:
    bank = faces()
    near = ((bank.age - 0.5).abs() < 0.07) & (bank.sex > 0.3)
    expected = F.normalize(bank.embeddings[near].mean(dim=0), dim=0)
    torch.testing.assert_close(bank.mean("male", 30.0), expected)
    boy, girl, man, woman = bank.of(
        torch.tensor([True, False, True, False]), torch.tensor([8.0, 8.0, 30.0, 30.0])
    )
    assert torch.equal(boy, girl) and abs(float(boy[0])) < 0.1
    assert man[0] > 0.5 > -0.5 > woman[0]


def test_face_targets_are_drawn_faces() -> None:
    bank = make_face_targets(LinearImageTextEmbedder(), None, seed=0, count=120)
    assert bank.embeddings.shape == (120, 16) and bank.age.min() < 0.1 and bank.age.max() > 0.9


def test_text_loss_leaves_the_sex_of_children_open() -> None:
    prompts = embed_prompts(LinearImageTextEmbedder())
    said = F.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    loss = [
        [
            float(text_loss(said, prompts, torch.tensor([male]), torch.tensor([years])))
            for male in (True, False)
        ]
        for years in (8.0, 30.0)
    ]
    assert loss[0][0] == loss[0][1] and loss[1][0] != loss[1][1]


def prompts() -> Prompts:
    return embed_prompts(LinearImageTextEmbedder())


def test_a_moved_voice_has_another_pitch_and_another_length() -> None:
    voice = tone(200.0)
    assert median_pitch(move_voice(voice, 1.1, 0.0)) == pytest.approx(220.0, rel=0.03)
    assert len(move_voice(voice, 1.1, 0.0)) == pytest.approx(len(voice) / 1.1, rel=0.01)
    assert median_pitch(move_voice(voice, 0.9, 2.0)) == pytest.approx(180 * 2 ** (2 / 12), rel=0.03)


def test_a_bank_has_recordings_other_mouths_and_what_they_should_become(
    folder: Folder, tmp_path: Path
) -> None:
    everyone, ear = read_recordings(folder(1)), LinearAudioEmbedder()
    means = make_face_targets(LinearImageTextEmbedder(), None, seed=0, count=400)
    made = partial(
        make_people_bank,
        everyone,
        None,
        tmp_path / "moved",
        listener=ear,
        faces=means,
        prompts=prompts(),
        copies=2,
    )
    bank, again = made(), made()
    assert len(bank.waves) == 8 + 16 and bank.recorded == 8 and bank.weight.sum() == pytest.approx(1.0)
    assert bank.weight[:8].sum() == pytest.approx(0.35 / 0.75)
    assert all(map(np.array_equal, bank.waves, again.waves)), "read, not made again"
    lesson = bank.lesson
    torch.testing.assert_close(lesson.targets[8:], heard_by(ear, bank.waves[8:]))
    grown = [recording.person.years > 12 for recording in everyone]
    expected = [[1.0, 0.0] if one.person.sex == "male" else [0.0, 1.0] for one in everyone]
    assert lesson.sex[:8][grown].tolist() == [
        row for row, known in zip(expected, grown, strict=True) if known
    ]
    assert lesson.sex[:8][~torch.tensor(grown)].min() > 0, "nobody says what a child's sex is"
    assert lesson.age[:8].argmax(dim=1).tolist() == [int(known) for known in grown]


def test_moved_voices_are_kept_by_what_was_moved(folder: Folder, tmp_path: Path) -> None:
    """Files of the same name, and a table that has changed."""
    everyone = read_recordings(folder(1))
    one, other = (replace(recording, path=Path("same.wav")) for recording in everyone[:2])
    for recording, source in ((one, everyone[0]), (other, everyone[1])):
        vars(recording)["waveform"] = source.waveform
    first = moved_at_random([one, other], 0, 0, tmp_path)
    assert not np.array_equal(*first)
    swapped = moved_at_random([other, one], 0, 0, tmp_path)
    again = moved_at_random([one, other], 0, 0, tmp_path)
    assert all(map(np.array_equal, first, again)) and len(swapped[0]) != len(first[1])


def test_voices_that_keep_sex_and_age_are_moved_less(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = read_recordings(folder(2))
    monkeypatch.setattr(
        moved_voices, "move_voice", lambda wave, tract, up: np.array([np.log(tract), up / 10])
    )
    for reach, formants, down, up in ((THE_SAME, 0.05, 3, 6), (ANYBODY, 0.14, 8, 8)):
        told = np.array([moved_at_random(everyone, i, 0, tmp_path / str(up), reach) for i in range(20)])
        tract, semitones = told.reshape(-1, 2).T / 32767
        assert 0.8 * formants < np.abs(tract).max() <= 1.001 * formants
        assert 0.8 * down < -10 * semitones.min() <= down and 0.8 * up < 10 * semitones.max() <= up


def test_the_strong_ear_hears_kinds_of_voices_by_their_shares() -> None:
    people = [Person("a", "female", 30.0), Person("b", "female", 8.0), Person("c", "male", 30.0)]
    kinds = np.array([0, 1])
    bank = VoiceBank(np.zeros((2, 8), np.int16), kinds, np.array([9.0, 70.0]), kinds)
    rows = [np.full((3, 4), number, np.float32) for number in range(5)]
    told = speaker.gathered(people, rows[:3], rows[3:], bank, np.full((2, 4), 9.0, np.float32))
    assert told.weight.sum() == pytest.approx(1.0)
    assert told.weight[:9].sum() == pytest.approx(speaker.SHARES["recorded"])
    assert told.weight[9:15].sum() == pytest.approx(speaker.SHARES["moved"])
    assert told.weight[0] / told.weight[1] == pytest.approx(speaker.GROUP_SHARES["woman"])
    assert told.vectors[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 9, 9]
    assert told.years.tolist() == [30.0, 8.0, 30.0] * 5 + [9.0, 70.0]


def test_groups_are_drawn_by_their_shares() -> None:
    people = [Person("a", "female", 30.0), Person("b", "female", 30.0), Person("c", "male", 30.0)]
    weights = group_weights(people, {"woman": 2.0, "man": 1.0})
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_an_encoder_goes_on_with_people(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_tuning, "make_face_targets", partial(make_face_targets, count=300))
    torch.manual_seed(0)
    start, made = tmp_path / "start.safetensors", tmp_path / "made.safetensors"
    save_encoder(start, AudioNetwork(width=4, hidden=8, embed_dim=16), audio_tuning.FRONT_END)
    audio_tuning.tune(
        made,
        recordings=folder(12),
        start=start,
        steps=2,
        voices="builtin",
        clips=4,
        copies=0,
        batch_size=4,
        clip_model="linear",
        generator=None,
        listener="linear",
        threads=1,
        progress=False,
    )
    before, after = (read_weights(file, "audio") for file in (start, made))
    assert after.config == before.config and not made.with_name("made.safetensors.state").exists()
    assert any(not torch.equal(after.tensors[name], before.tensors[name]) for name in before.tensors)
