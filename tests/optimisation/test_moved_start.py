"""Edits begin where a prior moves a face by what its voice says."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus
from stylewav_pl.optimisation.start import Start, sample_noise
from stylewav_pl.pocket.voices import held_out_speakers, speak
from stylewav_pl.types import Clip, ClipBatch, CohortResult

STEPS = 3
WOMAN, MAN = (torch.from_numpy(speak(one, 0, 1.0, 16_000)).float() for one in held_out_speakers(1))


def edited(
    folder: Path, space: LatentSpace, slots: tuple[str | None, ...] = ("a", None, "b"), steps: int = STEPS
) -> tuple[StyleWav, CohortResult]:
    voices = {"a": MAN, "b": WOMAN}
    module = StyleWav.from_sources(
        audio="pocket",
        cohort_size=len(slots),
        latent_space=space,
        num_steps=steps,
        frame_steps=(0,),
        start=Start(latent=str(folder), moved_by="pocket"),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-6),  # so that the move is all
    )
    optimizer = module.configure_optimizers()

    def descend(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    clips = tuple(None if name is None else Clip(name, name) for name in slots)
    batch = ClipBatch(0, clips, tuple(voices[name] for name in slots if name is not None))
    return module, module.optimize(batch, optimizer, descend)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tensor]:
    folder = tmp_path_factory.mktemp("given")
    generator = StyleWav.from_sources(cohort_size=1).generator
    w = generator.map(torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(4)))
    for name, latent in zip("ab", w, strict=True):
        save_file({"latent": latent.clone()}, folder / f"{name}.safetensors")
    return folder, w


@pytest.fixture(scope="module")
def in_w(given: tuple[Path, Tensor]) -> tuple[StyleWav, CohortResult]:
    return edited(given[0], W())


def test_the_first_step_shows_the_face_and_ends_where_the_prior_moves_it(
    given: tuple[Path, Tensor], in_w: tuple[StyleWav, CohortResult]
) -> None:
    module, result = in_w
    assert module.prior is not None
    shown = module.generator.synthesize(given[1])
    torch.testing.assert_close(result.frames[:, 0], shown, atol=1e-4, rtol=0)
    noise = torch.cat([sample_noise(seed, 1, module.prior.latent_dim) for seed in result.seeds])
    expected = module.prior.move(given[1], module.guide.embed_image(shown), result.targets, noise)
    torch.testing.assert_close(result.latents, expected, atol=1e-3, rtol=0)
    assert ((expected - given[1]).norm(dim=1) > 0.5).all()


def test_a_clip_is_moved_alike_in_any_company(
    given: tuple[Path, Tensor], in_w: tuple[StyleWav, CohortResult]
) -> None:
    alone = edited(given[0], W(), slots=("b",))[1]
    torch.testing.assert_close(alone.latents[0], in_w[1].latents[1], atol=1e-3, rtol=0)


def test_every_row_of_w_plus_moves_alike(
    given: tuple[Path, Tensor], in_w: tuple[StyleWav, CohortResult]
) -> None:
    rows = edited(given[0], WPlus())[1].latents
    torch.testing.assert_close(rows[:, 0], in_w[1].latents, atol=1e-3, rtol=0)
    torch.testing.assert_close(rows, rows[:, :1].expand_as(rows), atol=1e-3, rtol=0)


def test_what_cannot_be_moved_is_refused(given: tuple[Path, Tensor]) -> None:
    with pytest.raises(ConfigError, match=r"latent_space is S"):
        edited(given[0], S())
    with pytest.raises(ConfigError, match=r"found both\. Keep one"):
        Start(prior="pocket", moved_by="pocket")
    with pytest.raises(ConfigError, match="depends on the voice"):  # the first step moves
        edited(given[0], W(), steps=0)


@pytest.mark.parametrize("document", ["configs/edit.yaml", "docs/guidance.md"])
def test_the_start_that_a_document_names_fits_into_the_one_of_edits(document: str) -> None:
    root = Path(__file__).resolve().parents[2]
    shipped = yaml.safe_load((root / "configs/edit.yaml").read_text("utf-8"))["model"]["start"]
    told = re.findall(r"edit\.yaml --model\.start '(\{.*?\})'", (root / document).read_text("utf-8"))
    # an option changes what it names
    starts = [Start(**{**shipped, **json.loads(words, parse_int=float)}) for words in told]
    assert [(start.latent, start.moved_by) for start in starts] == [("runs/demo/latents", "pocket")]


def test_one_face_is_moved_otherwise_for_each_of_several(given: tuple[Path, Tensor]) -> None:
    face = str(given[0] / "a.safetensors")
    Start(latent=face, moved_by="pocket").check_count(2)
    with pytest.raises(ConfigError, match="the same face"):
        Start(latent=face).check_count(2)
    module = StyleWav.from_sources(cohort_size=2, start=Start(latent=face, moved_by="pocket"))
    assert module.prior is not None
    heard = module.audio.embed_audio([MAN]).expand(2, -1)
    w = given[1][:1].expand(2, -1)
    seen = module.guide.embed_image(module.generator.synthesize(w))
    noise = torch.cat([sample_noise(seed, 1, module.prior.latent_dim) for seed in (1, 2)])
    one, other = module.prior.move(w, seen, heard, noise)
    assert (one - other).norm() > 0.1
