"""Recording conditions, applied to power spectrograms.

What a microphone, a room, a telephone and an editor do to a voice.

The training voices are synthesised; without this the encoder would learn their perfect recording along with
them.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.embedders.front_end import SAMPLE_RATE
from stylewav_pl.embedders.wav2clip import FFT_SIZE

Power = Float[Tensor, "clip frequency frame"]


def augment_power(power: Power, rng: torch.Generator) -> Power:
    """Equaliser, room, band limit, noise, gate and gain, each drawn per clip.

    Args:
        power: From :func:`stylewav_pl.embedders.wav2clip.power_spectrogram`.
        rng: Decides everything.
    """
    power = power * equaliser(power, rng)
    power = torch.where(_chosen(power, 0.5, rng), room(power, rng), power)
    power = add_noise(power, rng)
    power = power * torch.where(_chosen(power, 0.5, rng), band_limit(power, rng), torch.ones(()))
    power = torch.where(_chosen(power, 0.35, rng), gate(power, rng), power)
    return power * 10 ** (_uniform(power, -1.6, 1.0, rng))


def _uniform(power: Power, low: float, high: float, rng: torch.Generator) -> Float[Tensor, "clip 1 1"]:
    return low + (high - low) * torch.rand(len(power), 1, 1, generator=rng)


def _chosen(power: Power, probability: float, rng: torch.Generator) -> Tensor:
    return torch.rand(len(power), 1, 1, generator=rng) < probability


def _octaves(power: Power) -> Float[Tensor, "1 frequency 1"]:
    """Position of each bin in octaves above 62.5 Hz; the lowest bins count as 62.5 Hz."""
    hertz = torch.arange(power.shape[1]) * (SAMPLE_RATE / FFT_SIZE)
    return torch.log2(hertz.clamp(min=62.5) / 62.5).view(1, -1, 1)


def equaliser(power: Power, rng: torch.Generator) -> Float[Tensor, "clip frequency 1"]:
    """A smooth random gain over frequency: a tilt and three ripples, a few decibels each."""
    octaves = _octaves(power)
    decibels = 1.6 * torch.randn(len(power), 1, 1, generator=rng) * (octaves - 3.5)
    for ripples in (0.5, 1.0, 1.7):
        phase = _uniform(power, 0.0, 6.283, rng)
        decibels = decibels + 2.2 * torch.randn(len(power), 1, 1, generator=rng) * torch.sin(
            octaves / 7 * 6.283 * ripples + phase
        )
    return 10 ** (decibels / 10)


def room(power: Power, rng: torch.Generator) -> Power:
    """Echoes that decay exponentially.

    Each frame gets a share of the power of the eight before it (22 ms each).
    """
    decay, level = _uniform(power, 0.2, 0.75, rng), 10 ** _uniform(power, -1.6, -0.3, rng)
    echo = torch.zeros_like(power)
    for delay in range(1, min(9, power.shape[2])):
        echo[:, :, delay:] += decay**delay * power[:, :, :-delay]
    return power + level * echo


def add_noise(power: Power, rng: torch.Generator) -> Power:
    """Stationary coloured noise 8 to 55 decibels under the clip's mean power.

    Noise power is exponentially distributed.
    """
    colour = 10 ** (_uniform(power, -0.9, 0.15, rng) * (_octaves(power) - 3.5) / 2)
    grains = -torch.log(torch.rand(power.shape, generator=rng).clamp(min=1e-6))
    ratio = 10 ** _uniform(power, -5.5, -0.8, rng)
    noise = colour / colour.mean(dim=1, keepdim=True) * grains
    return power + ratio * power.mean(dim=(1, 2), keepdim=True) * noise


def band_limit(power: Power, rng: torch.Generator) -> Float[Tensor, "clip frequency 1"]:
    """Applies a telephone's band (300 to 3400 Hz) to half of the clips.

    The others get only the lower sample rate's upper limit.
    """
    hertz = (torch.arange(power.shape[1]) * (SAMPLE_RATE / FFT_SIZE)).view(1, -1, 1)
    telephone = _chosen(power, 0.5, rng)
    low = torch.where(telephone, _uniform(power, 150.0, 380.0, rng), torch.zeros(()))
    high = torch.where(telephone, _uniform(power, 3100.0, 4000.0, rng), _uniform(power, 3400.0, 7600.0, rng))
    depth = _uniform(power, -9.0, -4.0, rng)
    octaves_outside = torch.log2(low.clamp(min=1) / hertz.clamp(min=20)).clamp(min=0) + 6 * torch.log2(
        hertz.clamp(min=1) / high
    ).clamp(min=0)
    return 10 ** torch.maximum(depth, -2.4 * octaves_outside)


def gate(power: Power, rng: torch.Generator) -> Power:
    """Digital silence in pauses, as editors and codecs leave it: frames far below the loudest become zero."""
    frames = power.sum(dim=1, keepdim=True)
    return power * (frames > 10 ** _uniform(power, -4.5, -2.5, rng) * frames.amax(dim=2, keepdim=True))
