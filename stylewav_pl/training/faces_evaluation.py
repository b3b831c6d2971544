"""How well the pocket generator draws, and how plainly w tells the attributes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import StyleGAN, StyleGAN2, load_generator
from stylewav_pl.pocket.faces import Z_DIM, attributes_of
from stylewav_pl.training.faces import CHANNELS, STYLEGAN_CHANNELS, drawn_at, noise_for

TRAITS = (
    "sex",
    "age",
    "glasses",
    "beard",
    "moustache",
    "hair_length",
    "curl",
    "greyness",
    "baldness",
    "skin",
    "smile",
)
UNSEEN = 1_000_003  # a seed that no training uses


@dataclass(frozen=True)
class FacesEvaluation:
    """Quality of a generator on unseen noise.

    Attributes:
        psnr: Peak signal-to-noise ratio in dB (peak 2) at each resolution.
        r2: Share of each trait's variance that a linear map of w explains on unseen faces.
    """

    psnr: dict[int, float]
    r2: dict[str, float]


@torch.no_grad()
def evaluate(
    source: str | Path = "pocket", *, faces: int = 512, traits_from: int = 8000, seed: int = UNSEEN
) -> FacesEvaluation:
    """Compares a StyleGAN2 or StyleGAN with the renderer.

    Args:
        source: Which generator.
        faces: How many images are compared.
        traits_from: How many w are used for the linear maps; a quarter of them tests.
        seed: Decides on the noise.

    Raises:
        WeightsError: The generator is none of them with the renderer's noise and size.
    """
    network = load_generator(source)
    if not isinstance(network, StyleGAN | StyleGAN2) or network.z_dim != Z_DIM:
        raise WeightsError(
            f"Expected a StyleGAN2 or StyleGAN with z of width {Z_DIM}, as `pocket train faces` and `pocket "
            f"train stylegan` make them; found another generator in {source}."
        )
    size = max(STYLEGAN_CHANNELS if isinstance(network, StyleGAN) else CHANNELS)
    if network.resolution != size:
        raise WeightsError(
            f"Expected a generator of {size} px, as the faces are drawn today; found "
            f"{network.resolution} px in {source}. Train it anew with `pocket train`."
        )
    device = network.w_mean.device
    errors: dict[int, float] = dict.fromkeys([size for size in network.resolutions if size >= 16], 0.0)
    for start in range(0, faces, 32):
        z = noise_for(seed, start, min(32, faces - start), device)
        for image in network.stages(network.map(z), noise="none"):
            if image.shape[-1] in errors:
                error = image.clamp(-1, 1) - drawn_at(z, image.shape[-1])
                errors[image.shape[-1]] += error.square().mean(dim=(1, 2, 3)).sum().item() / faces
    psnr = {resolution: decibels(error) for resolution, error in errors.items()}
    z = noise_for(seed, faces, traits_from, device)
    attributes, w = attributes_of(z), network.map(z)
    return FacesEvaluation(psnr, {name: linear_r2(w, getattr(attributes, name)) for name in TRAITS})


def decibels(mean_squared_error: float) -> float:
    """Peak signal-to-noise ratio of images in [-1, 1].

    >>> round(decibels(0.04), 3)
    20.0
    """
    return float(10 * torch.log10(torch.tensor(4.0, dtype=torch.float64) / mean_squared_error))


def linear_r2(w: Float[Tensor, "face width"], trait: Float[Tensor, " face"]) -> float:
    """Returns the share of the variance of ``trait`` that least squares explains.

    Fitted on three quarters, measured on the last.
    """
    inputs = torch.cat([w, torch.ones_like(w[:, :1])], dim=1).double()
    border = 3 * len(w) // 4
    weights = torch.linalg.lstsq(inputs[:border], trait[:border, None].double()).solution
    rest = trait[border:].double()
    residual = rest - (inputs[border:] @ weights)[:, 0]
    return float(1 - residual.square().mean() / rest.var(correction=0))


def table(evaluation: FacesEvaluation) -> str:
    """The evaluation as text."""
    psnr = [f"PSNR at {resolution} px: {value:.2f} dB" for resolution, value in evaluation.psnr.items()]
    return "\n".join([*psnr, *(f"R2 of {name} from w: {value:.3f}" for name, value in evaluation.r2.items())])
