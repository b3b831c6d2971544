"""Photos to latents."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.inversion import Inversion, invert, psnr
from stylewav_pl.optimisation.latents import S, W, WPlus
from stylewav_pl.optimisation.perceptual import PatchDistance
from stylewav_pl.optimisation.start import Start
from stylewav_pl.pictures.images import from_picture, to_picture
from stylewav_pl.types import Clip, ClipBatch, CohortResult, SkipReason

PIXELS = Inversion(steps=60, perceptual=0.0, candidates=8, noise=0.0)


@pytest.fixture(scope="module")
def pocket():
    return load_generator("pocket").freeze(), load_image_text_embedder("pocket")


@torch.no_grad()
def photos_of(generator, count: int, seed: int = 5) -> torch.Tensor:
    """What a camera would have seen of random faces: 8 bits for each colour."""
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    images = generator.synthesize(generator.map(z))
    return torch.stack([from_picture(to_picture(image)) for image in images])


@pytest.mark.slow
def test_faces_of_the_pocket_generator_come_back_side_by_side(pocket) -> None:
    generator, guide = pocket
    photos = photos_of(generator, 3)
    found = invert(photos, [0, 1, 2], W(), generator, guide, Inversion(steps=80))
    assert found.latents.shape == (3, generator.w_dim)
    assert (psnr(found.images, photos) > 30).all()
    with torch.no_grad():
        torch.testing.assert_close(generator.synthesize(found.latents), found.images)


@pytest.mark.parametrize("space", [W(), WPlus(), S()])
def test_every_space(space) -> None:
    generator = LinearGenerator()
    photos = photos_of(generator, 2)
    found = invert(photos, [0, 1], space, generator, LinearImageTextEmbedder(), PIXELS)
    assert found.latents.shape == (2, *space.start(generator).shape)
    with torch.no_grad():
        images = generator.synthesize(space.expand(found.latents, generator))
    torch.testing.assert_close(images, found.images, atol=1e-5, rtol=1e-5)
    begun = psnr(generator.synthesize(generator.w_mean.repeat(2, 1)).detach(), photos)
    assert (psnr(found.images, photos) > begun + 6).all()


@pytest.mark.parametrize("settings", [PIXELS, Inversion(steps=12, candidates=8, noise=0.05)])
def test_a_photo_does_not_depend_on_its_company(pocket, settings: Inversion) -> None:
    generator, guide = pocket
    if not settings.perceptual:
        generator, guide = LinearGenerator(), LinearImageTextEmbedder()
    photos = photos_of(generator, 3)
    together = invert(photos, [7, 8, 9], W(), generator, guide, settings).latents
    alone = invert(photos[1:2], [8], W(), generator, guide, settings).latents
    torch.testing.assert_close(alone[0], together[1], atol=2e-3, rtol=2e-3)
    again = invert(photos, [7, 8, 9], W(), generator, guide, settings).latents
    assert torch.equal(again, together)
    other = invert(photos[1:2], [80], W(), generator, guide, settings).latents
    assert torch.equal(other, alone) is (settings.noise == 0), "the seed decides the noise alone"


def test_it_works_where_gradients_are_switched_off() -> None:
    generator = LinearGenerator()
    expected = invert(photos_of(generator, 1), [0], W(), generator, LinearImageTextEmbedder(), PIXELS).latents
    with torch.inference_mode():
        found = invert(
            photos_of(generator, 1), [0], W(), generator, LinearImageTextEmbedder(), PIXELS
        ).latents
    assert torch.equal(found, expected)


def test_patch_features_see_where_things_are(pocket) -> None:
    generator, guide = pocket
    photos = photos_of(generator, 2)
    distance = PatchDistance(guide, photos)
    assert distance(photos).abs().max() < 1e-5
    blurred = torch.nn.functional.avg_pool2d(photos, 5, 1, 2)
    near, far = distance((photos + blurred) / 2), distance(photos.flip(0))
    assert (near > 0).all() and (near < far).all() and (far < 2).all()
    with pytest.raises(ConfigError, match="no patch features"):
        PatchDistance(LinearImageTextEmbedder(), photos)


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"learning_rate": 0.0},
        {"noise": -1.0},
        {"pixels": 0.0, "perceptual": 0.0},
        {"candidates": -1},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError, match="inversion"):
        Inversion(**settings)


# as a start


def optimized(place: Path, *ids: str) -> CohortResult:
    module = StyleWav.from_sources(
        LinearGenerator(),
        LinearImageTextEmbedder(),
        LinearAudioEmbedder(),
        cohort_size=len(ids),
        start=Start(photo=str(place), inversion=PIXELS),
        num_steps=1,
        frame_steps=[0],
    )
    waves = [torch.randn(800, generator=torch.Generator().manual_seed(1)) * 0.1 for _ in ids]
    optimizer = module.configure_optimizers()

    def descend(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    batch = ClipBatch(0, tuple(Clip(id, id) for id in ids), tuple(waves))
    return module.optimize(batch, optimizer, descend)


def save(photo: torch.Tensor, path: Path) -> None:
    to_picture(photo).save(path)


def test_every_clip_begins_at_the_one_photo(tmp_path: Path) -> None:
    (photo,) = photos_of(LinearGenerator(), 1)
    save(photo, tmp_path / "me.png")
    result = optimized(tmp_path / "me.png", "a", "b")
    assert torch.equal(result.frames[0], result.frames[1])
    assert psnr(result.frames[:1, 0], photo[None]) > 15


def test_each_clip_begins_at_its_own_photo_and_one_without_is_skipped(tmp_path: Path) -> None:
    photos = photos_of(LinearGenerator(), 2)
    save(photos[0], tmp_path / "a.png")
    save(photos[1], tmp_path / "b.png")
    Image.new("RGB", (20, 10)).save(tmp_path / "wide.png")
    result = optimized(tmp_path, "a", "none", "b", "wide")
    assert [clip.id for clip in result.clips] == ["a", "b"]
    assert (psnr(result.frames[:, 0], photos) > 15).all()
    assert {skip.id: skip.reason for skip in result.skips} == {
        "none": SkipReason.MISSING,
        "wide": SkipReason.MISSING,
    }
    alone = optimized(tmp_path, "b")
    torch.testing.assert_close(alone.latents[0], result.latents[1], atol=1e-3, rtol=1e-3)


def test_contradictions_are_refused(tmp_path: Path) -> None:
    for other in ({"latent": "here"}, {"prior": "pocket"}, {"truncation": 0.5}, {"candidates": 2}):
        with pytest.raises(ConfigError, match=r"Keep one|given latent or photo"):
            Start(photo="here", **other)
    with pytest.raises(ConfigError, match=r"model\.start\.photo names none"):
        Start(inversion=Inversion())
    with pytest.raises(ConfigError, match=r"Correct model\.start\.photo"):
        optimized(tmp_path / "absent.png", "a")
