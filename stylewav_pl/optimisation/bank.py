"""A fixed bank of random faces as the guide sees them.

It is the scale on which prompts of all kinds are compared.
"""

import hashlib
import platform
from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from stylewav_pl.files import write_whole
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.weights.cache import cache_directory

SAMPLES = 256  # the spread of a cosine is then known to 5 %
AT_ONCE = 8
SEED = 20_260
KEY = "embeddings"


@torch.no_grad()
def bank_of(renderer: Renderer, precision: str) -> Float[Tensor, "sample embed"]:
    """Returns the guide's embeddings of :data:`SAMPLES` random faces.

    From the cache, where these networks made them.

    The same numbers at every start on one machine: what could change their last bits is part of the name.

    Args:
        renderer: The networks, on the device of the run.
        precision: In which they compute.
    """
    device = renderer.generator.w_mean.device
    path = cache_directory() / "banks" / f"{_name(renderer, precision, device)}.safetensors"
    kept = _read(path, renderer.guide.embed_dim)
    if kept is None:
        kept = _measure(renderer).cpu()
        _keep(path, kept)
    return kept.to(device)


def _measure(renderer: Renderer) -> Float[Tensor, "sample embed"]:
    generator = renderer.generator
    parts = []
    for w in generator.sampled(SAMPLES, SEED, AT_ONCE):
        images = generator.synthesize(w, noise=renderer.noise)
        parts.append(renderer.guide.embed_image(images).float())
    return torch.cat(parts)


def _name(renderer: Renderer, precision: str, device: torch.device) -> str:
    """A hash of all that the numbers depend on."""
    digest = hashlib.sha256()
    for network in (renderer.generator, renderer.guide):
        digest.update(f"{type(network).__qualname__} {getattr(network, 'preprocess', '')}".encode())
        for part in _numbers(network):
            digest.update(part)
    chip = f"{platform.processor()} {torch.backends.cpu.get_cpu_capability()} {torch.get_num_threads()}"
    if device.type == "cuda":
        chip = torch.cuda.get_device_name(device)
    about = (renderer.noise, precision, device.type, chip, torch.__version__, SAMPLES, AT_ONCE, SEED)
    digest.update(repr(about).encode())
    return digest.hexdigest()


def _numbers(network: nn.Module) -> Iterable[bytes]:
    for name, tensor in sorted(network.state_dict().items()):
        yield f"{name} {tensor.dtype} {list(tensor.shape)}".encode()
        yield tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _read(path: Path, embed_dim: int) -> Float[Tensor, "sample embed"] | None:
    """What was kept; None where there is nothing, or nothing usable."""
    try:
        kept = load_file(path).get(KEY)
    except (OSError, SafetensorError):
        return None
    fits = kept is not None and kept.shape == (SAMPLES, embed_dim) and bool(kept.isfinite().all())
    return kept if fits else None


def _keep(path: Path, embeddings: Float[Tensor, "sample embed"]) -> None:
    """Writes the bank; a cache that cannot be written only costs time at the next start."""
    data = save({KEY: embeddings.contiguous()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: file.write(data))
    except OSError:
        return
