"""Prompts: what they may say, how they become vectors, and what they do to faces."""

from pathlib import Path

import pytest
import soundfile
import torch
from one_cohort import CountingAudio, CountingGenerator, CountingGuide, optimise, waveform
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation import bank
from stylewav_pl.optimisation.bank import bank_of
from stylewav_pl.optimisation.building import check_guidance
from stylewav_pl.optimisation.convergence import EarlyStop
from stylewav_pl.optimisation.loss import Seen
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.prompt_vectors import PromptVectors, sentences
from stylewav_pl.optimisation.prompts import Prompt, check_prompts
from stylewav_pl.optimisation.start import Start, sample_noise
from stylewav_pl.types import Clip, ClipBatch, CohortResult, SkipReason

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none
VOICE = Prompt(audio="clip")


class Strict(LinearImageTextEmbedder):
    """Knows no word with a z."""

    def embed_text(self, texts):
        if any("z" in text for text in texts):
            raise ConfigError("'z' is no word of this model.")
        return super().embed_text(texts)


def system(cohort: int = 2, **settings) -> StyleWav:
    return StyleWav(CountingGenerator(), CountingGuide(), CountingAudio(), cohort_size=cohort, **settings)


def latents(names: list[str | None], **settings) -> dict[str, Tensor]:
    result = optimise(system(len(names), num_steps=6, **settings), names)
    return {clip.id: latent for clip, latent in zip(result.clips, result.latents, strict=True)}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "found none"),
        ({"text": "a", "audio": "clip"}, "found audio and text"),
        ({"text": ""}, "Expected something in text"),
        ({"text": "a", "weight": 0.0}, "has the weight 0"),
        ({"text": "a", "weight": float("nan")}, "model.prompts.weight"),
        ({"text": "a", "templates": ["a photo"]}, "Expected {} in each"),
        ({"image": "a.png", "neutral": "a person"}, "neutral belongs to texts"),
    ],
)
def test_a_prompt_is_one_thing(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Prompt(**settings)


@pytest.mark.parametrize(
    ("prompts", "combine", "words"),
    [
        ([], "terms", "at least one prompt"),
        ([VOICE, Prompt(audio="clip", weight=2.0)], "terms", "more than once"),
        (None, "embeddings", "fewer than two"),
        ([VOICE, Prompt(text="a", stop=1.0)], "embeddings", "text: a has a stop"),
        ([Prompt(text="a", weight=-1.0), VOICE], "embeddings", "negative weight"),
    ],
)
def test_prompts_that_contradict_each_other(prompts: list | None, combine: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_prompts(prompts, combine)


@pytest.mark.parametrize(
    ("objective", "prompts", "stop", "words"),
    [
        (Objective(direction=1.0), [VOICE, Prompt(text="a man")], None, "neutral"),
        (Objective(similarity=0.0), [VOICE, Prompt(text="a")], None, "nothing pulls"),
        (Objective(logit_scale=0.5), [VOICE, Prompt(text="a")], None, "logit_scale"),
        (Objective(), [VOICE, Prompt(text="a")], EarlyStop(), "model.early_stop"),
    ],
)
def test_prompts_and_what_contradicts_them(
    objective: Objective, prompts: list, stop: EarlyStop | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        check_guidance(objective, prompts, "terms", stop)


def test_the_voice_alone_is_the_default_to_the_last_bit() -> None:
    expected, found = latents(["a", "b"]), latents(["a", "b"], prompts=[VOICE])
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def result_with(prompts: list[Prompt] | None) -> CohortResult:
    return optimise(system(2, num_steps=20, prompts=prompts), ["a", "b"])


def test_a_text_moves_faces_towards_it_and_a_negative_one_away() -> None:
    words = [f"word {number}" for number in range(30)]
    vectors = CountingGuide().embed_text(words)
    plain = result_with(None)
    cosines = plain.embeddings @ vectors.T  # [clip, word]
    seldom, often = int(cosines.mean(dim=0).argmin()), int(cosines.mean(dim=0).argmax())
    towards = result_with([VOICE, Prompt(text=words[seldom])])
    assert (towards.embeddings @ vectors[seldom] > cosines[:, seldom] + 0.3).all()
    away = result_with([VOICE, Prompt(text=words[often], weight=-4.0)])
    mean = (bank_of(system().renderer, "float32") @ vectors[often]).mean()
    assert (away.embeddings @ vectors[often] < cosines[:, often] - 0.1).all()
    assert (away.embeddings @ vectors[often] > mean - 0.3).all()  # to the mean, and not on to -1


def test_a_clip_begins_at_the_candidate_that_all_its_prompts_pull_least() -> None:
    batch = ClipBatch(0, (Clip("a", "a"),), (waveform("a"),))
    start, words = Start(0.5, candidates=8), Prompt(text="a smile", weight=1000.0)
    places = []
    for prompts in ([VOICE, words], None):
        module = system(1, start=start, prompts=prompts)
        (seed,), targets = module.seeds_of(batch), module.audio.embed_audio(batch.waveforms)
        w = module.generator.map(sample_noise(seed or 0, 8, module.generator.z_dim), truncation=0.5)
        asked = targets[0] if prompts is None else module.guide.embed_text(["a smile"])[0]
        places.append(int((module.guide.embed_image(module.generator.synthesize(w)) @ asked).argmax()))
        torch.testing.assert_close(module.initial_latents([seed], targets, batch)[0], w[places[-1]])
    assert places[0] != places[1]


def test_a_clip_is_the_same_in_any_company() -> None:
    prompts = [VOICE, Prompt(text="a smile", weight=0.5), Prompt(text="glasses", weight=-1.0)]
    alone, together = latents(["a"], prompts=prompts), latents(["b", "a", None, "c"], prompts=prompts)
    torch.testing.assert_close(alone["a"], together["a"], atol=1e-5, rtol=0)
    again = latents(["b", "a", None, "c"], prompts=prompts)
    assert all(torch.equal(again[name], together[name]) for name in together)


def test_the_combined_vector_is_the_weighted_sum() -> None:
    prompts = [VOICE, Prompt(text="a smile", weight=0.5), Prompt(text="glasses", weight=-0.25)]
    model = system(2, num_steps=3, prompts=prompts, combine="embeddings")
    slots = (Clip("a", "a.wav"), None)
    targets = torch.stack(
        [F.normalize(torch.randn(model.audio.embed_dim), dim=0), torch.zeros(model.audio.embed_dim)]
    )
    batch = ClipBatch(0, slots, (waveform("a"),))
    _, _, loss = model.guidance.of_cohort(batch, targets, model.latents.detach(), [1, None])
    smile, glasses = model.guide.embed_text(["a smile", "glasses"])
    (term,) = loss.terms.values()
    together = F.normalize(targets[0] + 0.5 * smile - 0.25 * glasses, dim=0)
    torch.testing.assert_close(term.targets[0], together)
    assert not term.targets[1].any()
    images, vectors, similarities = model.renderer.render_and_score(model.latents.detach(), targets)
    found = loss(Seen(0, images, vectors, similarities, model.latents.detach()))
    torch.testing.assert_close(found[0], 1 - vectors[0] @ together)


def test_words_of_each_clip_come_from_its_labels() -> None:
    guide = Strict()
    vectors = PromptVectors([Prompt(column="look")], guide, LinearAudioEmbedder())
    told = [{"look": "a smile"}, {}, {"look": "a zebra"}]
    slots = (*(Clip(f"{row}", "", labels=labels) for row, labels in enumerate(told)), None)
    batch = ClipBatch(0, slots, tuple(torch.zeros(4) for _ in told))
    batch, targets = vectors.without_unknown_words(batch, torch.ones(4, guide.embed_dim))
    assert [skip.id for skip in batch.skips] == ["2"] and batch.skips[0].reason is SkipReason.BAD_LABELS
    assert targets.any(dim=1).tolist() == [True, True, False, True]
    found, has = vectors.of(vectors.prompts[0], batch, targets)
    assert has.tolist() == [True, False, False, False]
    assert torch.equal(found[0], guide.embed_text(["a smile"])[0]) and not found[1:].any()


def test_recordings_are_averaged_and_pictures_are_cut_square(tmp_path: Path) -> None:
    guide, audio = LinearImageTextEmbedder(), LinearAudioEmbedder()
    rng = torch.Generator().manual_seed(3)
    for name in ("one", "two"):
        wave = torch.randn(16_000, generator=rng).mul(0.1).numpy()
        soundfile.write(tmp_path / f"{name}.wav", wave, audio.sample_rate)
    Image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "wide.png")
    paths = [str(tmp_path / f"{name}.wav") for name in ("one", "two")]
    prompts = [
        Prompt(audio=paths),
        *(Prompt(audio=path) for path in paths),
        Prompt(image=str(tmp_path / "wide.png")),
    ]
    vectors = PromptVectors(prompts, guide, audio)
    both, one, two, picture = (vectors.fixed[prompt.name] for prompt in prompts)
    torch.testing.assert_close(both, F.normalize(one + two, dim=0))
    red = torch.tensor([1.0, -1.0, -1.0])[:, None, None].expand(3, 20, 20)
    torch.testing.assert_close(picture, guide.embed_image(red[None])[0])


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Prompt(text="a zebra"), "The prompt text: a zebra: 'z' is no word"),
        (Prompt(audio="absent.wav"), "The recording absent.wav of model.prompts cannot be used"),
        (Prompt(image="absent.png"), "The picture absent.png of model.prompts cannot be read"),
    ],
)
def test_what_cannot_be_embedded_is_named(prompt: Prompt, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        PromptVectors([prompt], Strict(), LinearAudioEmbedder())


def test_a_voice_of_another_space_is_refused() -> None:
    audio = LinearAudioEmbedder()
    audio.embed_dim += 1
    with pytest.raises(ConfigError, match="a voice can be a prompt only in the space that its encoder"):
        PromptVectors([Prompt(audio="other.wav")], LinearImageTextEmbedder(), audio)


def test_templates_are_averaged() -> None:
    guide = LinearImageTextEmbedder()
    prompt = Prompt(text="a man", templates=["a photo of {}", "{}, drawn"])
    found = PromptVectors([prompt], guide, LinearAudioEmbedder()).fixed[prompt.name]
    both = guide.embed_text(["a photo of a man", "a man, drawn"])
    torch.testing.assert_close(found, F.normalize(both.mean(dim=0), dim=0))
    assert len(sentences(Prompt(text="a man", templates="imagenet"), "a man")) == 80


def test_the_bank_is_kept_and_is_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path))
    first = bank_of(system().renderer, "float32")
    (path,) = (tmp_path / "banks").iterdir()
    calls: list[object] = []
    measure = bank._measure
    monkeypatch.setattr(bank, "_measure", lambda renderer: calls.append(renderer) or measure(renderer))
    assert torch.equal(bank_of(system().renderer, "float32"), first) and not calls
    path.write_bytes(b"damaged")
    assert torch.equal(bank_of(system().renderer, "float32"), first) and len(calls) == 1
    other = system().renderer
    with torch.no_grad():
        next(iter(other.guide.state_dict().values())).mul_(-1)
    assert not torch.equal(bank_of(other, "float32"), first)


def test_a_cache_that_cannot_be_written_only_costs_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "file"))
    assert len(bank_of(system().renderer, "float32")) == bank.SAMPLES


def test_what_no_voice_tells_is_left_as_it_was() -> None:
    """The goal is the start's image with the voice's part: a further step there would change nothing."""
    model = system(2, num_steps=3, objective=Objective(follow="voice"))
    targets = torch.stack(
        [F.normalize(torch.randn(model.audio.embed_dim), dim=0), torch.zeros(model.audio.embed_dim)]
    )
    starts = model.latents.detach()
    goals = model.guidance.followed(targets, starts)
    before = model.renderer.render_and_score(starts, targets)[1]
    part = model.guidance.part
    across = torch.eye(len(part.seen)) - part.directions.T @ part.directions
    scale = (goals[0] @ across).norm() / (before[0] @ across).norm()
    torch.testing.assert_close(goals[0] @ across, scale * before[0] @ across, rtol=1e-4, atol=1e-5)
    asked = (part.seen + 0.9 * (targets[0] - part.heard)) @ part.directions.T
    torch.testing.assert_close(goals[0] @ part.directions.T, scale * asked, rtol=1e-4, atol=1e-5)
    assert not goals[1].any()
    _, _, loss = model.guidance.of_cohort(
        ClipBatch(0, (Clip("a", "a.wav"), None), ()), targets, starts, [1, None]
    )
    found = loss(Seen(0, torch.zeros(2, 3, 4, 4), before, (before * targets).sum(1), starts))
    torch.testing.assert_close(found[0], 1 - before[0] @ goals[0])
