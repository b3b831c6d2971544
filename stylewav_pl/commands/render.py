"""``predict``: renders the latents of a finished run again.

At any size, nearer to the mean face, or as a video.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from stylewav_pl.callbacks.progress import progress_bar
from stylewav_pl.commands.rescore import batches, finished_clips
from stylewav_pl.commands.tuned_faces import groups, read_tuning
from stylewav_pl.errors import ConfigError, RunDirectoryError
from stylewav_pl.files import SCRATCH, whole_file
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.latents import pulled_to_mean
from stylewav_pl.optimisation.tuning import tuned
from stylewav_pl.pictures.images import encode, to_picture
from stylewav_pl.pictures.video import (
    FRAMES_PER_SECOND,
    VideoFormat,
    encode_video,
    has_ffmpeg,
    resized,
    suffix_of,
)
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import ClipRecord
from stylewav_pl.runs.plan import stem_of

SECONDS = 2.0


@dataclass(frozen=True)
class Rendering:
    """How latents are shown.

    Attributes:
        resolution: Height and width of the images in pixels; None: as the generator makes them.
        truncation: How far from the mean face: 1 as optimised, 0 the mean face itself.
        truncation_cutoff: How many layers, from coarse to fine, truncation is for; the finer ones stay as
            optimised. None: all.
        video: Also a film of the way from the mean face to the clip's, in this format; ``auto``: mp4 with
            ffmpeg, else webp.
    """

    resolution: int | None = None
    truncation: float = 1.0
    truncation_cutoff: int | None = None
    video: VideoFormat | None = None

    def __post_init__(self) -> None:
        if self.resolution is not None and not 1 <= self.resolution <= 8192:
            raise ConfigError(f"Expected --resolution from 1 to 8192 pixels, found {self.resolution}.")
        if not 0 <= self.truncation <= 2:
            raise ConfigError(
                f"Expected --truncation from 0 to 2, found {self.truncation}. 1 is the latent as it was "
                "optimised."
            )
        if self.truncation_cutoff is not None and self.truncation == 1:
            raise ConfigError(
                "--truncation_cutoff says for how many layers --truncation is, which is 1: nothing would be "
                "pulled towards the mean face. Add --truncation, e.g. --truncation 0.7."
            )
        if self.video == "mp4" and not has_ffmpeg():
            raise ConfigError(
                "--video mp4 needs the program ffmpeg, which is not installed. Install it, or choose "
                "--video webp."
            )

    @property
    def suffix(self) -> str:
        """Suffix of the film."""
        return suffix_of(self.video or "auto")

    @property
    def folder(self) -> str:
        """Where the pictures go: renderings that differ do not mix.

        >>> Rendering().folder, Rendering(512, 0.7, 8).folder
        ('rendered', 'rendered-512px-truncation0.7-cutoff8')
        """
        parts = [f"{self.resolution}px"] if self.resolution else []
        parts += [f"truncation{self.truncation:g}"] if self.truncation != 1 else []
        parts += [] if self.truncation_cutoff is None else [f"cutoff{self.truncation_cutoff}"]
        return "-".join(["rendered", *parts])


def render_again(
    run: FinishedRun,
    module: StyleWav,
    generator_sha256: str,
    rendering: Rendering,
    progress: bool | None = None,
) -> int:
    """Renders every stored latent of a run into its folder ``rendered``; returns how many.

    Args:
        run: A run with finished clips.
        module: Renders them.
        generator_sha256: Of the generator's weights.
        rendering: How.
        progress: False: silence.

    Raises:
        ConfigError: The latents belong to another generator or latent space, or the generator has fewer
            layers than the cutoff.
        RunDirectoryError: The run has no finished clip, or a latent is gone.
    """
    check_cutoff(module, rendering.truncation_cutoff)
    clips, count = finished_clips(run), run.journals.number_of_clips
    with progress_bar(count, "videos" if rendering.video else "images", progress) as bar:
        for batch in batches(clips):
            for group in groups(batch, lambda record: read_tuning(run, record.id, module)):
                latents = torch.stack(
                    [read_latent(run, record.id, module, generator_sha256) for record in group.records]
                ).to(module.device)
                with tuned(module.generator, group.tuning):
                    images = render(module, latents, rendering)
                    for record, latent, image in zip(group.records, latents, images, strict=True):
                        write_clip(run, module, rendering, record, latent, image)
                        bar.update()
    with suppress(OSError):  # a run may be at work in it
        (run.path / SCRATCH).rmdir()
    return count


def write_clip(
    run: FinishedRun,
    module: StyleWav,
    rendering: Rendering,
    record: ClipRecord,
    latent: Float[Tensor, "*latent"],
    image: Float[Tensor, "3 height width"],
) -> None:
    """Writes the picture of one clip, and its film where one is wanted."""
    picture = resized(to_picture(image), rendering.resolution)
    place = run.path / rendering.folder / stem_of(record.id)
    write(run, place.with_name(f"{place.name}.png"), encode(picture, "png", record.id, record.seed))
    if rendering.video:
        name = f"{place.name}.{rendering.suffix}"
        write(run, place.with_name(name), film(module, latent, record, rendering))


def check_cutoff(module: StyleWav, cutoff: int | None) -> None:
    """Refuses a number of layers that the generator does not have.

    Raises:
        ConfigError: It is such a number.
    """
    layers = module.generator.num_ws
    if cutoff is not None and not 0 <= cutoff <= layers:
        raise ConfigError(
            f"Expected --truncation_cutoff from 0 to {layers}, the layers of this generator, found {cutoff}."
        )


@torch.no_grad()
def render(
    module: StyleWav,
    latents: Float[Tensor, " clip *latent"],
    rendering: Rendering,
    share: float = 1.0,
    origin: Float[Tensor, "*latent"] | None = None,
) -> Float[Tensor, "clip 3 height width"]:
    """Returns images of latents pulled towards the mean face.

    Args:
        module: Renders.
        latents: Of its space, on its device.
        rendering: How.
        share: How far on the way from the origin, in [0, 1].
        origin: Where the way begins; ``None``: at the mean face.
    """
    if rendering.truncation == share == 1:
        return module.renderer.render(latents)
    begin = module.mean_latent if origin is None else origin
    on_the_way = torch.lerp(begin.expand_as(latents), latents, share)
    pulled = pulled_to_mean(
        on_the_way,
        module.latent_space,
        module.generator,
        rendering.truncation,
        rendering.truncation_cutoff,
    )
    return module.generator.synthesize(pulled, noise=module.renderer.noise)


def film(
    module: StyleWav, latent: Float[Tensor, "*latent"], record: ClipRecord, rendering: Rendering
) -> bytes:
    """The way from the mean face to the clip's, as a file."""
    shares = evenly(round(FRAMES_PER_SECOND * SECONDS))
    frames = pictures_on_the_way(module, latent, rendering, shares)
    return encode_video(frames, rendering.suffix, record.id, record.seed)


def evenly(count: int) -> list[float]:
    """Returns so many shares of a way, its ends included.

    >>> evenly(5)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return [index / (count - 1) for index in range(count)]


def pictures_on_the_way(
    module: StyleWav,
    latent: Float[Tensor, "*latent"],
    rendering: Rendering,
    shares: Sequence[float],
    origin: Float[Tensor, "*latent"] | None = None,
) -> list[Image.Image]:
    """Returns the pictures at some shares of the way to a latent; see :func:`render`."""
    images = (render(module, latent[None], rendering, share, origin)[0] for share in shares)
    return [resized(to_picture(image), rendering.resolution) for image in images]


def write(run: FinishedRun, path: Path, data: bytes) -> None:
    """Writes a file of the run, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    with whole_file(path, scratch=run.path / SCRATCH) as file:
        file.write(data)


def read_latent(
    run: FinishedRun, id: str, module: StyleWav, generator_sha256: str
) -> Float[Tensor, "*latent"]:
    """A written latent, checked to belong to the module's generator and latent space.

    Raises:
        ConfigError: It belongs to others.
        RunDirectoryError: It is missing or damaged.
    """
    try:
        data = run.latent(id)
        latent, found = load(data)["latent"], metadata_of(data)
    except (FileNotFoundError, KeyError) as error:
        raise RunDirectoryError(
            f"The latent of {id} in {run.path} is missing. It is written when writer.latents is true."
        ) from error
    except (SafetensorError, ValueError) as error:
        raise RunDirectoryError(
            f"The latent of {id} in {run.path} is damaged ({error}). Restore it, or run fit again with "
            "--restart."
        ) from error
    expected = {"space": module.latent_space.name, "generator_sha256": generator_sha256}
    for name, value in expected.items():
        if found.get(name) != value:
            raise ConfigError(
                f"The latent of {id} in {run.path} has {name} {found.get(name)!r}, the configuration means "
                f"{value!r}. "
                "Use the configuration of the run (config.yaml in it)."
            )
    return latent


def metadata_of(data: bytes) -> dict[str, str]:
    """The metadata in the header of a safetensors file.

    See :func:`stylewav_pl.callbacks.writer.in_one_order`.
    """
    header: dict[str, dict[str, str]] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header.get("__metadata__", {})
