"""The paper's experiment against its authors' loop, written slowly from its description
(tests/doubles/slow_styleclip.py)."""

from pathlib import Path

import pytest
import torch
from one_cohort import optimise
from open_clip.model import CLIP
from safetensors.torch import save_file
from slow_styleclip import seen_by_clip, slow_edit, slow_path
from slow_stylegan2 import values_of
from torch import Tensor

from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.embedders.identity import ImageIdentity
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.embedders.openclip import OpenClipEmbedder
from stylewav_pl.generators import StyleGAN2
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.given_latents import GivenLatents
from stylewav_pl.optimisation.latents import S, WPlus
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.start import Start
from stylewav_pl.types import CohortResult

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none
STEPS = 10
NAMES = ("a", "b", "c")
NOTEBOOK = Objective(logit_scale=1 / 0.07 / 100)


def generator(dtype: torch.dtype) -> StyleGAN2:
    """32 pixels, which StyleCLIP's image path enlarges to CLIP's 224; everything that starts at zero is made
    to count."""
    torch.manual_seed(1)
    network = StyleGAN2({4: 12, 8: 10, 16: 8, 32: 6}, z_dim=6, w_dim=10, mapping_depth=2)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                parameter.add_(0.3 * torch.randn_like(parameter))
        network.w_mean.copy_(torch.randn(10))
    return network.to(dtype)


def small_clip() -> OpenClipEmbedder:
    """A CLIP model of 224 pixels, seen as StyleCLIP sees it."""
    torch.manual_seed(2)
    vision = {"image_size": 224, "patch_size": 32, "width": 64, "layers": 2}
    text = {"context_length": 4, "vocab_size": 5, "width": 16, "heads": 2, "layers": 1}
    network = CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text)
    return OpenClipEmbedder(network, lambda texts: torch.zeros(len(texts), 4, dtype=torch.long), "reference")


def optimised(network: StyleGAN2, guide: ImageTextEmbedder, space: S) -> CohortResult:
    audio = LinearAudioEmbedder().to(network.constant.dtype)
    settings = {"latent_space": space, "objective": NOTEBOOK, "num_steps": STEPS}
    return optimise(StyleWav(network, guide, audio, len(NAMES), **settings), NAMES)


def distance(found: Tensor, expected: Tensor, start: Tensor) -> float:
    """How far apart two ends of a path are, in lengths of the path."""
    return float((found - expected).norm() / (expected - start).norm())


def test_styles_without_to_rgb_take_the_authors_path_to_the_last_digits() -> None:
    network = generator(torch.float64)
    guide = LinearImageTextEmbedder(image_size=32).double()
    result = optimised(network, guide, S(to_rgb=False))
    for row, target in enumerate(result.targets):
        path, similarities = slow_path(
            values_of(network), lambda image, target=target: guide.embed_image(image)[0] @ target, STEPS
        )
        assert result.curves[row, :-1].tolist() == pytest.approx(similarities, abs=1e-9)
        assert distance(result.latents[row], path[-1], path[0]) < 1e-7
        assert (path[-1] - path[0]).abs().max() > 0.3


def test_styles_without_to_rgb_take_the_authors_path_but_for_rounding() -> None:
    """In float32, through CLIP as StyleCLIP shows it images; with ToRGB styles the paths have little in
    common."""
    network, guide = generator(torch.float32), small_clip()
    result = optimised(network, guide, S(to_rgb=False))
    wider = optimised(network, guide, S())
    for row, target in enumerate(result.targets):

        def similarity_of(image: Tensor, target: Tensor = target) -> Tensor:
            embedding = guide.network.encode_image(seen_by_clip(image))[0]
            return embedding @ target / embedding.norm()

        path, similarities = slow_path(values_of(network), similarity_of, STEPS)
        assert result.curves[row, :-1].tolist() == pytest.approx(similarities, abs=1e-5)
        assert distance(result.latents[row], path[-1], path[0]) < 1e-3  # seen: 3e-6
        assert distance(wider.latents[row], path[-1], path[0]) > 0.3


def test_an_edit_of_given_faces_takes_the_authors_path(tmp_path: Path) -> None:
    """StyleCLIP's edit mode: W+ of a given face, the distance to it over all layers, and its identity."""
    network = generator(torch.float64)
    guide = LinearImageTextEmbedder(image_size=32).double()
    whose = ImageIdentity(LinearImageTextEmbedder(image_size=16, seed=5).double())
    given = {}
    for row, name in enumerate(NAMES):
        draws = torch.Generator().manual_seed(row)
        given[name] = torch.randn(network.num_ws, 10, dtype=torch.float64, generator=draws)
        save_file({"latent": given[name]}, tmp_path / f"{name}.safetensors")
    model = StyleWav(
        network,
        guide,
        LinearAudioEmbedder().to(network.constant.dtype),
        len(NAMES),
        WPlus(),
        Start(latent=str(tmp_path)),
        Objective(distance_to_start=0.008, identity=0.1),
        num_steps=STEPS,
        given=GivenLatents(str(tmp_path), WPlus(), network, None),
        identity=whose,
    )
    result = optimise(model, NAMES)
    for name, latent, target in zip(NAMES, result.latents, result.targets, strict=True):
        path = slow_edit(
            values_of(network),
            given[name],
            lambda image, target=target: guide.embed_image(image)[0] @ target,
            lambda image: whose.embed_identity(image)[0],
            STEPS,
            0.008,
            0.1,
        )
        torch.testing.assert_close(path[0], given[name])
        assert distance(latent, path[-1], path[0]) < 1e-6
        assert (path[-1] - path[0]).abs().max() > 0.3
    shares = {term: float(values.mean()) for term, values in result.terms.items()}
    assert list(shares) == ["similarity", "distance_to_start", "identity"] and min(shares.values()) > 0
