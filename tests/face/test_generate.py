"""``stylewav_pl.generate``: one call in place of the command, with the same faces."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load_file

import stylewav_pl
from stylewav_pl.cli import main
from stylewav_pl.errors import ConfigError
from stylewav_pl.face import networks
from stylewav_pl.face.recordings import with_rate
from stylewav_pl.optimisation.prompts import Prompt
from stylewav_pl.optimisation.start import Start
from stylewav_pl.pocket.voices import held_out_speakers, speak
from stylewav_pl.types import AudioError

RATE = 16_000
POCKET = {"audio_encoder": "pocket", "device": "cpu"}
LINEAR = {"generator": "linear", "guide": "linear", "audio_encoder": "linear", "device": "cpu"}


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return speak(held_out_speakers(1)[1], 0, 2.0, RATE)


@pytest.fixture
def wav(tmp_path: Path, voice: np.ndarray) -> Path:
    path = tmp_path / "voice.wav"
    soundfile.write(path, voice, RATE, subtype="FLOAT")
    return path


def test_the_face_is_the_one_of_the_command(wav: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--audio-encoder", "pocket", "--device", "cpu", "--steps", "3", "--seed_everything", "5"]
    assert (
        main(["generate", str(wav), "-o", str(out), *words, "--threads", str(torch.get_num_threads())]) == 0
    )
    face = stylewav_pl.generate(wav, steps=3, seed=5, **POCKET)
    assert face.save(tmp_path / "mine").read_bytes() == (out / "images/voice.png").read_bytes()
    for name in ("latents/voice.safetensors", "strips/voice.png"):
        assert (tmp_path / "mine" / name).read_bytes() == (out / name).read_bytes()


def test_words_beside_a_voice_are_those_of_the_command(wav: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--text", "a person with glasses", "--text-weight", "0.5", "--negative", "a person with a beard"]
    places = ["--audio-encoder", "pocket", "--device", "cpu", "--steps", "4", "--start", "mean"]
    threads = ["--threads", str(torch.get_num_threads())]
    assert main(["generate", str(wav), "-o", str(out), *words, *places, *threads]) == 0
    said = {"text": words[1], "text_weight": 0.5, "negative": words[5]}
    face = stylewav_pl.generate(wav, steps=4, start="mean", prompts=[words[1]], **said, **POCKET)
    assert face.save(tmp_path / "mine").read_bytes() == (out / "images/voice.png").read_bytes()
    plain = stylewav_pl.generate(wav, steps=4, start="mean", prompts=[words[1]], **POCKET)
    assert face.scores[words[1]] > plain.scores[words[1]] + 0.01
    mix = [Prompt(audio="clip"), Prompt(text=words[1], weight=0.5), Prompt(text=words[5], weight=-4.0)]
    mixed = stylewav_pl.generate(wav, steps=4, start="mean", mix=mix, **POCKET)
    assert torch.equal(mixed.latent, face.latent)


def test_what_a_face_is(wav: Path) -> None:
    texts = ["this is a photo of a boy", "this is a photo of a girl"]
    face = stylewav_pl.generate(wav, steps=2, prompts=texts, **POCKET)
    guide, generator = networks.load_image_text_embedder("pocket"), networks.load_generator("pocket")
    embedded = guide.embed_image(generator.synthesize(face.latent[None]))
    assert face.image.size == (generator.resolution, generator.resolution)
    assert [face.scores[text] for text in texts] == pytest.approx(
        (embedded @ guide.embed_text(texts).T)[0].tolist(), abs=1e-5
    )
    assert face.id == "voice" and Path(face.path) == wav
    assert len(face.curve) == 3 and face.similarity == face.curve[-1] > face.curve[0]
    assert list(face.frames) == [0, 1, 2] and face.about["space"] == "w"
    assert np.array_equal(face.frames[2], face.image)


@pytest.mark.parametrize(
    "form", ["pair", "reversed", "rate apart", "int16", "stereo", "channels first", "tensor"]
)
def test_an_array_is_heard_as_its_file(form: str, voice: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    whole = (voice * 20_000).astype(np.int16)
    soundfile.write(path, whole, RATE)
    plain = (whole / 32768).astype(np.float32)
    two = np.stack([plain, plain], axis=1)
    given = {
        "pair": (plain, RATE),
        "reversed": (RATE, plain),
        "int16": (whole, RATE),
        "stereo": (two, RATE),
        "channels first": (two.T, RATE),
        "tensor": (torch.from_numpy(plain), RATE),
    }
    expected = stylewav_pl.generate(path, steps=1, **LINEAR)
    if form == "rate apart":
        found = stylewav_pl.generate(plain, sample_rate=RATE, steps=1, **LINEAR)
    else:
        found = stylewav_pl.generate(given[form], steps=1, **LINEAR)
    torch.testing.assert_close(found.latent, expected.latent)
    assert found.seed == expected.seed


def test_several_faces_of_several_voices(wav: Path, voice: np.ndarray) -> None:
    faces = stylewav_pl.generate([wav, (voice, RATE), wav], count=3, steps=1, **LINEAR)
    names = ["voice#1", "voice#2", "voice#3"]
    assert [face.id for face in faces] == [*names, "recording#1", "recording#2", "recording#3", *names]
    assert len({face.seed for face in faces}) == 6
    alone = stylewav_pl.generate(wav, steps=1, **LINEAR)
    torch.testing.assert_close(faces[0].latent, alone.latent)
    assert not torch.equal(faces[1].latent, alone.latent)
    assert stylewav_pl.generate([], **LINEAR) == []


def test_the_caller_sees_each_step_and_may_stop(wav: Path) -> None:
    seen: list[tuple[int, list[float]]] = []

    def watch(step: int, images: list[Image.Image], similarities: list[float]) -> bool:
        assert len(images) == len(similarities) == 1 and images[0].size == (8, 8)
        seen.append((step, similarities))
        return False

    whole = stylewav_pl.generate(wav, steps=4, on_step=watch, **LINEAR)
    assert [step for step, _ in seen] == [0, 1, 2, 3, 4]
    assert tuple(similarity for _, (similarity,) in seen) == whole.curve
    stopped = stylewav_pl.generate(wav, steps=4, on_step=lambda step, *_: step == 2, **LINEAR)
    assert stopped.curve == whole.curve[:3]
    assert max(stopped.frames) <= 2


def test_networks_are_loaded_once(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks.forget()
    calls: list[object] = []
    load = networks.load_generator
    monkeypatch.setattr(networks, "load_generator", lambda source: calls.append(source) or load(source))
    for _ in range(3):
        stylewav_pl.generate(wav, steps=1, **LINEAR)
    assert calls == ["linear"]


def test_threads_and_whatever_is_switched_off_around_it(wav: Path) -> None:
    networks.forget()
    expected = stylewav_pl.generate(wav, steps=2, **LINEAR).latent
    networks.forget()
    found: list[torch.Tensor] = []
    threads = [
        threading.Thread(target=lambda: found.append(stylewav_pl.generate(wav, steps=2, **LINEAR).latent))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with torch.no_grad():
        found.append(stylewav_pl.generate(wav, steps=2, **LINEAR).latent)
    networks.forget()
    with torch.inference_mode():
        found.append(stylewav_pl.generate(wav, steps=2, **LINEAR).latent)
    found.append(stylewav_pl.generate(wav, steps=2, **LINEAR).latent)
    assert len(found) == 7
    assert all(torch.equal(latent, expected) for latent in found)


def test_nothing_of_the_caller_changes(wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "empty"
    place.mkdir()
    monkeypatch.chdir(place)
    chance, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    stylewav_pl.generate(wav, steps=1, **LINEAR)
    assert torch.equal(torch.get_rng_state(), chance)
    assert np.array_equal(np.random.get_state()[1], numbers)
    assert not list(place.iterdir())


def test_bad_recordings_are_all_named(wav: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    with pytest.raises(AudioError, match=r"absent\.wav.*no such file.*empty\.wav.*0 bytes"):
        stylewav_pl.generate([wav, tmp_path / "absent.wav", empty], **LINEAR)


@pytest.mark.parametrize(
    ("audio", "settings", "words"),
    [
        (np.zeros(10), {}, "sample rate of an array in Hz, found None"),
        ((np.zeros((3, 4, 5)), RATE), {}, r"float64 \[3, 4, 5\]"),
        (None, {"num_steps": 3}, "num_steps is called steps"),
        (None, {"start": "photo"}, "Expected a start named mean, samples, prior"),
        (None, {"start": "mean", "steps": 0}, "depends on the voice"),
        (None, {"latent_space": "Z"}, "Expected a latent space"),
        (None, {"device": "abacus"}, "Expected a device"),
        (None, {"count": 0}, "count"),
        (None, {"text": "a man", "mix": [Prompt(text="a man")]}, "mix, and text or negative, contradict"),
        (None, {"window": "end"}, "Unknown window 'end'"),
    ],
)
def test_wrong_settings_are_refused(audio: object, settings: dict, words: str, wav: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        stylewav_pl.generate(wav if audio is None else audio, **{**LINEAR, **settings})


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(ConfigError, match="Expected a path, or an array with its sample rate, found list"):
        with_rate([0.0, 0.1], RATE)


def test_saved_files(wav: Path, tmp_path: Path) -> None:
    face = stylewav_pl.generate(wav, steps=2, start=Start(), **LINEAR)
    with Image.open(face.save(tmp_path / "a" / "b")) as image:
        assert np.array_equal(image, face.image)
        assert "Not a portrait" in image.info["Comment"]
    stored = load_file(tmp_path / "a/b/latents/voice.safetensors")
    assert torch.equal(stored["latent"], face.latent)
    folders = {path.name for path in (tmp_path / "a/b").iterdir()}
    assert folders == {"images", "latents", "records", "strips"}


def test_the_package_is_imported_at_once() -> None:
    heavy = "'torch' in sys.modules, 'numpy' in sys.modules"
    program = f"import sys, stylewav_pl; stylewav_pl.__version__; print({heavy})"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
    assert {"Face", "generate"} <= set(stylewav_pl.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        stylewav_pl.nothing  # noqa: B018 - the error is the point
