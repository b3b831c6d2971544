"""``predict --between A B``: the way from one face to another, as a film and a strip."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.commands.nearest import did_you_mean
from stylewav_pl.commands.render import (
    SECONDS,
    Rendering,
    check_cutoff,
    evenly,
    pictures_on_the_way,
    read_latent,
    write,
)
from stylewav_pl.commands.tuned_faces import read_tuning
from stylewav_pl.errors import ConfigError
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.latent_files import as_latent
from stylewav_pl.optimisation.latent_files import read_latent as read_file
from stylewav_pl.pictures.grid import strip
from stylewav_pl.pictures.images import encode
from stylewav_pl.pictures.video import FRAMES_PER_SECOND, encode_video
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.plan import stem_of
from stylewav_pl.types import as_path

STRIP = (0, 17, 33, 50, 67, 83, 100)  # per cent of the way


def walk(
    run: FinishedRun, module: StyleWav, generator_sha256: str, rendering: Rendering, first: str, last: str
) -> list[Path]:
    """Writes a film and a strip of the straight way between two latents; returns where they are.

    Args:
        run: A run with finished clips.
        module: Renders them.
        generator_sha256: Of the generator's weights.
        rendering: How; its video is the film's format.
        first: Where the way begins: a clip's id, or the file of a latent.
        last: Where it ends.

    Raises:
        ConfigError: There is no such clip or file, both are the same, or they belong to other networks.
        RunDirectoryError: A latent is missing or damaged.
        WeightsError: A file holds no latent of this generator and space.
    """
    if first == last:
        raise ConfigError(
            f"Expected two different faces after --between, found {first!r} twice. Correct one."
        )
    check_cutoff(module, rendering.truncation_cutoff)
    origin, goal = (
        latent_of(run, module, generator_sha256, name).to(module.device) for name in (first, last)
    )
    known = {record.id for record in run.records()}
    name = "--".join(end if end in known else as_path(end).stem for end in (first, last))
    place = run.path / rendering.folder / stem_of(name)
    frames = pictures_on_the_way(module, goal, rendering, evenly(round(FRAMES_PER_SECOND * SECONDS)), origin)
    few = pictures_on_the_way(module, goal, rendering, [share / 100 for share in STRIP], origin)
    paths = [place.with_name(f"{place.name}.{suffix}") for suffix in (rendering.suffix, "png")]
    write(run, paths[0], encode_video(frames, rendering.suffix, name, module.seed))
    write(run, paths[1], encode(strip(few, STRIP, unit="{} %"), "png", name, module.seed))
    return paths


def latent_of(
    run: FinishedRun, module: StyleWav, generator_sha256: str, name: str
) -> Float[Tensor, "*latent"]:
    """Returns the latent of a clip of the run, or one from a file.

    Raises:
        ConfigError: The name is neither, or its face has a tuned generator.
    """
    known = {record.id for record in run.records()}
    if name in known:
        check_plain(name, bool(read_tuning(run, name, module)))
        return read_latent(run, name, module, generator_sha256)
    if not as_path(name).is_file():
        raise ConfigError(
            f"Expected the id of a clip that has a face in {run.path}, or the file of a latent, after "
            f"--between; found {name!r}.{did_you_mean(name, sorted(known))} The ids "
            "are the first column of results.csv."
        )
    stored = read_file(as_path(name))
    check_plain(name, bool(stored.tuning))
    return as_latent(stored, module.latent_space, module.generator, generator_sha256)


def check_plain(name: str, is_tuned: bool) -> None:
    """Refuses an end whose face the run's generator does not make.

    Raises:
        ConfigError: It is one.
    """
    if is_tuned:
        raise ConfigError(
            f"The face of {name} has a generator of its own, tuned to a photo, and --between walks through "
            "one for both ends. Walk between faces without tuning."
        )
