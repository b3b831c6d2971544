"""StyleWav through a real Trainer, with linear doubles and hand-made cohorts."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD, AdamW

from stylewav_pl.commands.trainer_settings import FORCED
from stylewav_pl.embedders.base import Space
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.convergence import EarlyStop
from stylewav_pl.optimisation.latents import S, W, WPlus
from stylewav_pl.optimisation.loss import CohortLoss
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.rendering import thumbnails
from stylewav_pl.optimisation.schedules import RampUpCosineDown
from stylewav_pl.optimisation.start import Start
from stylewav_pl.optimisation.targets import embed_targets
from stylewav_pl.runs.plan import clip_seed
from stylewav_pl.types import Clip, ClipBatch, CohortResult, SkipReason

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*"
)  # a list of cohorts needs none


class Kept(Callback):
    """Keeps what the training step gave."""

    def __init__(self) -> None:
        self.results: list[CohortResult] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.results.append(outputs["result"])


class BrokenFor(LinearAudioEmbedder):
    """Gives NaN for waveforms that begin with 9."""

    def embed_audio(self, waveforms: Sequence[Tensor] | Tensor) -> Tensor:
        embedded = super().embed_audio(waveforms).clone()
        embedded[[bool(waveform[0] == 9) for waveform in waveforms]] = float("nan")
        return embedded


def module(cohort_size: int = 3, audio: LinearAudioEmbedder | None = None, **settings) -> StyleWav:
    return StyleWav(
        LinearGenerator(),
        LinearImageTextEmbedder(),
        audio or LinearAudioEmbedder(),
        cohort_size=cohort_size,
        **settings,
    )


def waveform(name: str, length: int = 800) -> Tensor:
    """Noise that depends on the name alone, coloured so that the embeddings of two names differ."""
    random = torch.Generator().manual_seed(sum(map(ord, name)))
    noise = torch.rand(length, generator=random) - 0.5
    return noise * torch.linspace(0, 1, length).mul(6.28 * (1 + sum(map(ord, name)) % 7)).cos()


def batch(cohort: int, *names: str | None, **waveforms: Tensor) -> ClipBatch:
    slots = tuple(name and Clip(name, f"{name}.wav") for name in names)
    return ClipBatch(cohort, slots, tuple(waveforms.get(name, waveform(name)) for name in names if name))


def fit(
    model: StyleWav, batches: Sequence[ClipBatch], *callbacks: Callback
) -> tuple[list[CohortResult], Trainer]:
    kept = Kept()
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, callbacks=[*callbacks, kept], **FORCED)
    trainer.fit(model, _Cohorts(batches))
    return kept.results, trainer


class _Cohorts:
    def __init__(self, batches: Sequence[ClipBatch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def test_shapes_ranges_and_order_of_a_result() -> None:
    (result,), _ = fit(module(frame_steps=(10, 0, 5, 5), seed=7), [batch(4, "a", "b", None)])
    assert result.cohort == 4
    assert [clip.id for clip in result.clips] == ["a", "b"]
    assert result.curves.shape == (2, 11)
    assert result.images.shape == (2, 3, 8, 8)
    assert result.latents.shape == (2, 16)
    assert result.frames.shape == (2, 3, 3, 8, 8)
    assert result.frame_steps == (0, 5, 10)
    assert result.seeds == (clip_seed(7, "a"), clip_seed(7, "b"))
    assert result.curves.abs().max() <= 1 + 1e-6
    assert (
        not result.images.requires_grad
        and not result.latents.requires_grad
        and not result.curves.requires_grad
    )


@pytest.mark.parametrize("space", [W(), WPlus(), S()], ids=lambda space: space.name)
def test_similarity_rises(space) -> None:
    (result,), _ = fit(module(num_steps=30, latent_space=space), [batch(0, "a", "b", "c")])
    assert (result.curves[:, -1] > result.curves[:, 0] + 0.2).all()


def test_curve_image_latent_and_frames_belong_together() -> None:
    """What is written down can be computed again from the pieces by hand."""
    model = module(frame_steps=(0, 10))
    (result,), _ = fit(model, [batch(0, "a", "b", "c")])
    generator, guide, audio = LinearGenerator(), LinearImageTextEmbedder(), LinearAudioEmbedder()
    images = generator.synthesize(result.latents)
    torch.testing.assert_close(result.images, images)
    torch.testing.assert_close(result.frames[:, 1], images)
    torch.testing.assert_close(result.frames[:, 0], generator.synthesize(generator.w_mean.expand(3, -1)))
    torch.testing.assert_close(result.targets, audio.embed_audio([waveform(name) for name in "abc"]))
    torch.testing.assert_close(result.embeddings, guide.embed_image(images))
    torch.testing.assert_close(result.curves[:, -1], F.cosine_similarity(result.embeddings, result.targets))
    torch.testing.assert_close(result.starts, result.frames[:, 0])


def test_start_images_are_kept_small() -> None:
    images = torch.rand(2, 3, 512, 512)
    torch.testing.assert_close(thumbnails(images, 128)[1, 2, 3, 5], images[1, 2, 12:16, 20:24].mean())


def test_steps_are_those_of_a_hand_written_loop() -> None:
    """Adam written out (Kingma and Ba 2015, algorithm 1) at the scheduled rates, one clip at a time."""
    (result,), _ = fit(module(num_steps=10), [batch(0, "a", "b", None)])
    generator, guide = LinearGenerator(), LinearImageTextEmbedder()
    for row in range(2):
        w, first, second = generator.w_mean.clone(), torch.zeros(16), torch.zeros(16)
        for step in range(10):
            w.requires_grad_()
            loss = 1 - guide.embed_image(generator.synthesize(w[None]))[0] @ result.targets[row]
            (gradient,) = torch.autograd.grad(loss, w)
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            unbiased = first / (1 - 0.9 ** (step + 1)), second / (1 - 0.999 ** (step + 1))
            rate = 0.1 * RampUpCosineDown().factor(step / 10)
            w = w.detach() - rate * unbiased[0] / (unbiased[1].sqrt() + 1e-8)
        torch.testing.assert_close(result.latents[row], w, atol=1e-4, rtol=0)


def test_first_step_moves_nothing() -> None:
    (result,), _ = fit(module(num_steps=1), [batch(0, "a", "b", "c")])
    assert torch.equal(result.latents, LinearGenerator().w_mean.expand(3, -1))


def test_a_cohort_inherits_nothing() -> None:
    second = batch(1, "c", "d", "e")
    after_another, _ = fit(module(), [batch(0, "a", "b", "x"), second])
    first, _ = fit(module(), [second])
    assert torch.equal(after_another[1].latents, first[0].latents)
    assert torch.equal(after_another[1].curves, first[0].curves)
    assert torch.equal(after_another[1].images, first[0].images)


def test_an_empty_cohort_is_an_empty_result() -> None:
    results, _ = fit(module(frame_steps=(0,)), [batch(0, None, None, None), batch(1, "a", None, None)])
    assert (
        results[0].clips == ()
        and results[0].images.shape == (0, 3, 8, 8)
        and results[0].curves.shape == (0, 11)
    )
    assert len(results[1].clips) == 1


def test_padding_may_lie_anywhere() -> None:
    last, _ = fit(module(), [batch(0, "a", "b", None)])
    first, _ = fit(module(), [batch(0, None, "a", "b")])
    assert [clip.id for clip in first[0].clips] == ["a", "b"]
    torch.testing.assert_close(first[0].latents, last[0].latents, atol=1e-5, rtol=0)


def test_a_clip_that_diverges_becomes_a_skip_and_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = batch(0, "a", "b", "c")
    (alone,), _ = fit(module(num_steps=4), [batch(0, "a", None, "c")])
    plain = CohortLoss.__call__
    middle = torch.tensor([1.0, float("nan"), 1.0])
    monkeypatch.setattr(CohortLoss, "__call__", lambda loss, seen: plain(loss, seen) * middle)
    (result,), _ = fit(module(num_steps=4, frame_steps=(0, 4)), [clips])
    assert [clip.id for clip in result.clips] == ["a", "c"]
    (skip,) = result.skips
    assert (skip.id, skip.reason) == ("b", SkipReason.NOT_FINITE)
    assert "Lower the learning rate" in skip.detail
    assert torch.equal(result.latents, alone.latents)
    assert result.curves.isfinite().all() and result.frames.shape[0] == 2


def test_an_optimiser_that_wants_a_closure_is_refused_before_a_step() -> None:
    with pytest.raises(ConfigError, match="LBFGS computes the loss several times"):
        fit(module(optimizer=torch.optim.LBFGS), [batch(0, "a", "b", "c")])


def test_a_clip_without_finite_embedding_becomes_a_skip() -> None:
    broken = torch.full((800,), 9.0)
    (result,), _ = fit(module(audio=BrokenFor()), [batch(0, "a", "bad", "b", bad=broken)])
    (clean,), _ = fit(module(), [batch(0, "a", None, "b")])
    assert [clip.id for clip in result.clips] == ["a", "b"]
    assert [(skip.id, skip.path, skip.reason) for skip in result.skips] == [
        ("bad", "bad.wav", SkipReason.NOT_EMBEDDABLE)
    ]
    assert torch.equal(result.latents, clean.latents), "the bad clip's slot is padding"
    assert result.latents.isfinite().all()


def test_a_long_recording_is_embedded_in_windows_and_averaged() -> None:
    long = torch.cat([waveform("x"), waveform("y")])
    averaged = replace(batch(0, "a", "long", None, long=long), averaged=800)
    (result,), _ = fit(module(), [averaged])
    audio = LinearAudioEmbedder()
    one, x, y = audio.embed_audio([waveform("a"), waveform("x"), waveform("y")])
    torch.testing.assert_close(result.targets, torch.stack([one, F.normalize(x + y, dim=0)]))


def test_distance_term_holds_the_latent_back() -> None:
    free, _ = fit(module(), [batch(0, "a", "b", "c")])
    held, _ = fit(module(objective=Objective(distance_to_start=1.0)), [batch(0, "a", "b", "c")])
    start = LinearGenerator().w_mean
    assert ((held[0].latents - start).norm(dim=1) < 0.8 * (free[0].latents - start).norm(dim=1)).all()


def test_another_optimizer_is_used_at_its_own_rate() -> None:
    slow, _ = fit(
        module(num_steps=3, optimizer=lambda parameters: SGD(parameters, lr=1e-3)), [batch(0, "a", "b", "c")]
    )
    start = LinearGenerator().w_mean
    moved = (slow[0].latents - start).norm(dim=1)
    assert (moved > 0).all() and (moved < 1e-2).all(), (
        "SGD at 0.001; Adam would have moved every coordinate by 0.1"
    )


@pytest.mark.parametrize("space", [W(), WPlus(), S()], ids=lambda space: space.name)
def test_a_clip_may_start_at_a_sample_of_its_own(space) -> None:
    """Drawn from run seed and id alone, pulled to the mean by the truncation; the same in another slot and
    company."""
    settings = {"latent_space": space, "start": Start(0.5), "frame_steps": (0,), "seed": 3}
    (result,), _ = fit(module(**settings), [batch(0, "a", None, "b")])
    (other,), _ = fit(module(**settings), [batch(0, "c", "b", None)])
    generator = LinearGenerator()
    for row, id in enumerate("ab"):
        z = torch.randn(generator.z_dim, generator=torch.Generator().manual_seed(clip_seed(3, id)))
        w = generator.w_mean + 0.5 * (generator.map(z[None]) - generator.w_mean)
        torch.testing.assert_close(result.frames[row, 0], generator.synthesize(w)[0])
    assert not torch.allclose(result.frames[0], result.frames[1], atol=0.01), "two clips, two starts"
    torch.testing.assert_close(other.latents[1], result.latents[1], atol=1e-5, rtol=0)


def test_of_several_starts_the_most_similar_one_is_taken() -> None:
    """For each clip alone: in other company, and among more candidates, its own samples stay the same."""
    settings = {"start": Start(0.5, candidates=4), "seed": 3}
    (result,), _ = fit(module(**settings), [batch(0, "a", None, "b")])
    (other,), _ = fit(module(**settings), [batch(0, "c", "b", None)])
    generator, guide = LinearGenerator(), LinearImageTextEmbedder()
    for row, id in enumerate("ab"):
        rng = torch.Generator().manual_seed(clip_seed(3, id))
        z = torch.stack([torch.randn(generator.z_dim, generator=rng) for _ in range(4)])
        w = generator.w_mean + 0.5 * (generator.map(z) - generator.w_mean)
        similarities = guide.embed_image(generator.synthesize(w)) @ result.targets[row]
        torch.testing.assert_close(result.curves[row, 0], similarities.max())
        assert similarities.max() - similarities.min() > 0.01
    torch.testing.assert_close(other.latents[1], result.latents[1], atol=1e-5, rtol=0)


def test_what_a_space_holds_stays_although_weight_decay_pulls_at_it() -> None:
    model = StyleWav.from_sources(
        cohort_size=2,
        num_steps=4,
        latent_space=S(to_rgb=False),
        start=Start(0.5),
        optimizer=lambda parameters: AdamW(parameters, lr=0.1, weight_decay=0.5),
    )
    cohort = batch(0, "a", "b")
    (result,), _ = fit(model, [cohort])
    starts = model.initial_latents(model.seeds_of(cohort), result.targets, cohort)
    assert torch.equal(result.latents[:, model.layers.held], starts[:, model.layers.held])
    assert not torch.equal(starts[0, model.layers.held], starts[1, model.layers.held]), "each its own"
    assert ((result.latents - starts)[:, ~model.layers.held].abs() > 1e-4).all()


def test_a_cohort_whose_clips_were_all_skipped_ends_at_once_under_early_stop() -> None:
    model = module(num_steps=20, early_stop=EarlyStop(patience=3), frame_steps=(0, 20))
    cohorts = [batch(0, None, None, None), batch(1, "a", None, "b")]
    (nothing, something), _ = fit(model, cohorts)
    assert nothing.clips == () and len(nothing.images) == len(nothing.curves) == len(nothing.starts) == 0
    assert nothing.frames.shape[:2] == (0, 2) and nothing.frame_steps == (0, 20)
    assert nothing.curves.shape == (0, 21) and something.curves.shape == (2, 21)
    assert (something.curves[:, -1] > something.curves[:, 0]).all()


def test_a_cohort_whose_clips_cannot_be_embedded_ends_at_once_under_early_stop() -> None:
    broken = torch.full((800,), 9.0)
    model = module(cohort_size=1, audio=BrokenFor(), early_stop=EarlyStop())
    (result,), _ = fit(model, [batch(0, "a", a=broken)])
    assert result.clips == () and [skip.reason for skip in result.skips] == [SkipReason.NOT_EMBEDDABLE]


def test_embedders_of_different_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"width 24.*width 16"):
        module(audio=LinearAudioEmbedder(embed_dim=24))


def test_embedders_of_two_spaces_are_refused_although_their_widths_agree() -> None:
    audio, guide = LinearAudioEmbedder(), LinearImageTextEmbedder()
    audio.space = Space("ViT-B-32", "openai")
    for space in (Space("ViT-B-32", "openai"), Space("ViT-B-32"), Space()):
        guide.space = space
        StyleWav(LinearGenerator(), guide, audio, cohort_size=1)
    for space in (Space("RN101", "openai"), Space("ViT-B-32", "laion2b_s34b_b79k"), Space("ViT-B-16")):
        guide.space = space
        with pytest.raises(
            ConfigError,
            match=r"ViT-B-32/openai.*for the published Wav2CLIP open_clip:ViT-B-32-quickgelu/openai",
        ):
            StyleWav(LinearGenerator(), guide, audio, cohort_size=1)


def test_half_precision_does_not_reach_the_targets() -> None:
    model = module()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, targets = embed_targets(batch(0, "a", "b", "c"), model.audio, model.latents)
    assert torch.equal(targets, embed_targets(batch(0, "a", "b", "c"), model.audio, model.latents)[1])


REFUSED = [
    {"frame_steps": (11,)},
    {"frame_steps": (-1,)},
    {"num_steps": 0},
    {"cohort_size": 0},
]


@pytest.mark.parametrize("settings", REFUSED)
def test_settings_that_cannot_work_are_refused(settings) -> None:
    with pytest.raises(ConfigError, match=r"Expected .*found"):
        module(**settings)


@pytest.mark.parametrize(
    "settings", [{"truncation": 1.5}, {"truncation": float("nan")}, {"candidates": 0}, {"candidates": 4}]
)
def test_starts_that_cannot_work_are_refused(settings) -> None:
    with pytest.raises(ConfigError, match=r"Expected .*found"):
        Start(**settings)
