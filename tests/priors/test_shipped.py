"""The prior that ships: it fits the networks that ship, and its draws sound like the voices
without a step."""

import json
from pathlib import Path

import pytest
import soundfile
import torch

import stylewav_pl
from stylewav_pl.cli import main
from stylewav_pl.data import BuiltinVoices
from stylewav_pl.data.window import Window
from stylewav_pl.embedders import load_audio_embedder, load_image_text_embedder
from stylewav_pl.generators import load_generator
from stylewav_pl.optimisation.prior_start import Sources, prepare_prior
from stylewav_pl.pocket.faces import PROMPT_SETS
from stylewav_pl.pocket.voices import held_out_speakers, speak
from stylewav_pl.priors import load_prior
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.registry import resolve

ADVICE = "The generator or the CLIP model was trained again: run `stylewav-pl pocket train prior`."
AGE = "child-adult-old"
PROMPTS = ["this is a photo of a girl", "this is a photo of a boy"]


def test_it_belongs_to_the_shipped_networks() -> None:
    about = load_prior("pocket").belongings
    assert about.generator == sha256_of(resolve("pocket", "generator")), ADVICE
    assert about.guide == sha256_of(resolve("pocket", "image_text")), ADVICE
    assert sha256_of(resolve("pocket", "audio")) in about.ears, ADVICE


def test_it_asks_for_sex_and_age_in_the_guide_s_words() -> None:
    prior, guide = load_prior("pocket"), load_image_text_embedder("pocket")
    asked = torch.cat([guide.embed_text(PROMPT_SETS[name].prompts()) for name in ("boy-girl", AGE)])
    assert prior.questions == (2, 3)
    torch.testing.assert_close(prior.words, asked, rtol=0, atol=1e-3)


def test_draws_sound_like_their_voices_and_vary() -> None:
    source = BuiltinVoices(per_sex=12)
    clips = source.list_clips()
    audio, guide = load_audio_embedder("pocket"), load_image_text_embedder("pocket")
    generator = load_generator("pocket")
    targets = audio.embed_audio([source.read(clip, 16_000, Window()) for clip in clips])
    prior = prepare_prior("pocket", Sources("pocket", "pocket", "pocket"), audio)
    noise = torch.randn(len(clips), generator.w_dim, generator=torch.Generator().manual_seed(0))
    faces = guide.embed_image(generator.synthesize(prior.sample(targets, noise)))
    mean_face = guide.embed_image(generator.synthesize(generator.w_mean[None]))
    gained = (faces * targets).sum(dim=1).mean() - (mean_face * targets).sum(dim=1).mean()
    nearest = (faces @ guide.embed_text(PROMPTS).T).argmax(dim=1)
    male = torch.tensor([clip.labels["sex"] == "male" for clip in clips]).long()
    assert gained > 0.12
    assert (nearest == male).float().mean() > 0.85
    several = prior.sample(targets[:1].expand(24, -1), noise)
    seen = guide.embed_image(generator.synthesize(several))
    assert ((seen @ seen.T).sum() - 24) / (24 * 23) < 0.96  # one voice, different faces


@pytest.mark.slow
def test_the_command_makes_faces_without_a_step_and_python_the_same(tmp_path: Path) -> None:
    wav, out = tmp_path / "voice.wav", tmp_path / "out"
    soundfile.write(wav, speak(held_out_speakers(1)[0], 0, 1.0, 16_000), 16_000)
    words = [
        "--start",
        "prior",
        "--steps",
        "0",
        "--seed",
        "3",
        "--audio-encoder",
        "pocket",
        "--device",
        "cpu",
    ]
    threads = ["--threads", str(torch.get_num_threads())]
    assert main(["generate", str(wav), "-o", str(out), *words, *threads]) == 0
    face = stylewav_pl.generate(wav, start="prior", steps=0, seed=3, audio_encoder="pocket", device="cpu")
    assert face.save(tmp_path / "mine").read_bytes() == (out / "images/voice.png").read_bytes()
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["weights"]["prior"] == {
        "source": "pocket",
        "sha256": sha256_of(resolve("pocket", "prior")),
    }
    assert (out / "results.csv").read_text("utf-8").count("done") == 1
    assert main(["generate", str(wav), "-o", str(out), "--start", "mean", "--steps", "0", "--restart"]) == 2
