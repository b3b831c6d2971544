"""Starts at given latents: one for all clips, or one for each, by its id."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.start import Start
from stylewav_pl.types import Clip, ClipBatch, CohortResult, SkipReason


def of_clips(*ids: str | None) -> ClipBatch:
    waves = [torch.randn(800, generator=torch.Generator().manual_seed(1)) * 0.1 for id in ids if id]
    return ClipBatch(0, tuple(Clip(id, id) if id else None for id in ids), tuple(waves))


def optimized(place: Path, batch: ClipBatch, **settings) -> CohortResult:
    module = StyleWav.from_sources(
        LinearGenerator(),
        LinearImageTextEmbedder(),
        LinearAudioEmbedder(),
        cohort_size=len(batch.slots),
        start=Start(latent=str(place)),
        **settings,
    )
    optimizer = module.configure_optimizers()

    def descend(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return module.optimize(batch, optimizer, descend)


def written(path: Path, seed: int) -> torch.Tensor:
    latent = torch.randn(LinearGenerator().w_dim, generator=torch.Generator().manual_seed(seed))
    save_file({"latent": latent}, path)
    return latent


def first_similarity(latent: torch.Tensor, target: torch.Tensor) -> float:
    generator = LinearGenerator()
    image = generator.synthesize(latent[None])
    return float((LinearImageTextEmbedder().embed_image(image)[0] @ target).detach())


def test_every_clip_begins_at_the_one_latent(tmp_path: Path) -> None:
    latent = written(tmp_path / "mine.safetensors", 1)
    result = optimized(tmp_path / "mine.safetensors", of_clips("a", None, "b"), num_steps=3)
    for row in (0, 1):
        expected = first_similarity(latent, result.targets[row])
        assert result.curves[row, 0].item() == pytest.approx(expected, abs=1e-5)
    assert (result.curves[:, -1] > result.curves[:, 0]).all()


def test_each_clip_begins_at_its_own_and_one_without_is_skipped(tmp_path: Path) -> None:
    latents = {
        id: written(tmp_path / f"{name}.safetensors", seed)
        for id, name, seed in (
            ("a", "a", 1),
            ("Mein Clip", "mein-clip-5e876d8ce2", 2),
        )
    }
    result = optimized(tmp_path, of_clips("a", "none", "Mein Clip", "../a"), num_steps=1)
    assert [clip.id for clip in result.clips] == ["a", "Mein Clip"]
    for row, latent in enumerate(latents.values()):
        expected = first_similarity(latent, result.targets[row])
        assert result.curves[row, 0].item() == pytest.approx(expected, abs=1e-5)
    assert {(skip.id, skip.reason) for skip in result.skips} == {
        ("none", SkipReason.MISSING),
        ("../a", SkipReason.MISSING),
    }
    assert "No latent of this clip" in result.skips[0].detail


def test_a_wrong_place_or_file_ends_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"found nothing\. Correct model\.start\.latent"):
        optimized(tmp_path / "absent", of_clips("a"))
    save_file({"latent": torch.zeros(7)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"tensor \[7\], which is no latent of this generator"):
        optimized(tmp_path / "other.safetensors", of_clips("a"))


@pytest.mark.parametrize("other", [{"prior": "pocket"}, {"truncation": 0.5}, {"candidates": 2}])
def test_a_given_latent_is_the_only_start(other: dict) -> None:
    with pytest.raises(ConfigError, match=r"Keep one|given latent"):
        Start(latent="here", **other)


def test_a_given_latent_needs_a_step(tmp_path: Path) -> None:
    written(tmp_path / "mine.safetensors", 1)
    with pytest.raises(ConfigError, match="depends on the voice"):
        optimized(tmp_path / "mine.safetensors", of_clips("a"), num_steps=0)
