"""``invert``: photos of faces to latents that ``generate --latent`` begins at."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stylewav_pl.commands.collector import collect_as_usual
from stylewav_pl.commands.options import Options
from stylewav_pl.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from torch import Tensor

SIDE_BY_SIDE = 8
SPACES = ("W", "WPlus", "S", "Codes")


def parser() -> argparse.ArgumentParser:
    """The options of ``invert``."""
    options = Options(
        prog="stylewav-pl invert",
        description="Finds the latents whose faces are most like photos, and writes them as NAME.safetensors "
        "with the generator's pictures of them as NAME.png. Begin there: stylewav-pl generate voice.wav "
        "--latent DIR/NAME.safetensors",
        epilog="A photo has to be a square one, aligned as the generator's training pictures; where "
        "NAME.json, .npz or .txt lies beside it with 68 or 5 landmarks, the face is cut out as those of FFHQ "
        "were. A face made of a photo is no portrait of the speaker.",
    )
    options.add_argument("photos", nargs="+", metavar="PHOTO", help="pictures of faces")
    options.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="folder for latents and pictures"
    )
    options.add_argument(
        "--generator", default="pocket", metavar="SOURCE", help="name or weight file (default: pocket)"
    )
    options.add_argument(
        "--guide",
        default="pocket",
        metavar="SOURCE",
        help="the CLIP model whose patch features compare pictures (default: pocket)",
    )
    options.add_argument(
        "--space",
        choices=SPACES,
        default="W",
        help="latent space: W (default) edits best, WPlus comes nearest to photos of real people; Codes is "
        "that of a VQGAN, found by its encoder",
    )
    options.add_argument(
        "--encoder",
        metavar="SOURCE",
        help="a network that answers a photo at once, from where the steps begin: e4e-ffhq or its file; "
        "needs WPlus or S, and the generator that it was trained for",
    )
    options.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="of the projection (default: 200); 0 with --encoder: its answer as it is",
    )
    options.add_argument("--learning-rate", type=float, metavar="X", help="the highest (default: 0.1)")
    options.add_argument(
        "--perceptual",
        type=float,
        metavar="X",
        help="weight of the patch features beside the pixels' 1 (default: 0.1); 0: pixels alone",
    )
    options.add_argument(
        "--tune",
        action="store_true",
        help="also tune the generator to each photo, and keep the change beside the latent; a face that "
        "begins there is made alone (--data.cohort_size 1)",
    )
    options.add_argument("--landmarks", metavar="FILE", help="of one photo, where they are not beside it")
    options.add_argument(
        "--seed", type=int, default=0, metavar="N", help="decides everything random (default: 0)"
    )
    options.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)"
    )
    return options


def run(command: str, options: list[str]) -> int:
    """Inverts photos side by side.

    Raises:
        ConfigError: A photo or a setting cannot be used; nothing was made.
        OutputError: The folder cannot be written.
        WeightsError: A network cannot be loaded.
    """
    asked = parser().parse_args(options)
    if asked.landmarks is not None and len(asked.photos) > 1:
        raise ConfigError(
            f"--landmarks are those of one photo, found {len(asked.photos)}. Put a file beside each photo "
            "instead."
        )
    from stylewav_pl.data.folder import free_name

    names: dict[str, Path] = {}
    for word in dict.fromkeys(asked.photos):
        path = Path(word).expanduser()
        names[free_name(path.stem, names)] = path
    try:
        _invert_all(names, asked)
    except OSError as error:
        raise OutputError(asked.output, error) from error
    return 0


def _invert_all(names: dict[str, Path], asked: argparse.Namespace) -> None:
    import torch

    from stylewav_pl.embedders import load_image_text_embedder
    from stylewav_pl.embedders.photo_encoder import load_photo_encoder
    from stylewav_pl.face.defaults import SPACES as BY_NAME
    from stylewav_pl.face.settings import device_of
    from stylewav_pl.generators import load_generator
    from stylewav_pl.optimisation.hardware import Speed
    from stylewav_pl.optimisation.inversion import Inversion, invert, psnr
    from stylewav_pl.optimisation.prior_start import hash_of
    from stylewav_pl.optimisation.tuning import Tuning, tunable, tune, tuned
    from stylewav_pl.runs.plan import clip_seed

    collect_as_usual()
    given = {"steps": asked.steps, "learning_rate": asked.learning_rate, "perceptual": asked.perceptual}
    given |= {"encoder": asked.encoder}
    settings = Inversion(**{name: value for name, value in given.items() if value is not None})
    encoder = None if settings.encoder is None else load_photo_encoder(settings.encoder)
    device = device_of(asked.device)
    Speed().apply(device)
    generator = load_generator(asked.generator).to(device).freeze()
    if asked.tune:
        tunable(generator)
    photos = _read_all(names, generator.resolution, asked.landmarks)
    guide = load_image_text_embedder(asked.guide).to(device)
    space = BY_NAME[asked.space]()
    about = {"generator_sha256": hash_of(asked.generator, "generator") or "", **space.metadata(generator)}
    listed = list(photos)
    for first in range(0, len(listed), SIDE_BY_SIDE):
        chosen = listed[first : first + SIDE_BY_SIDE]
        wanted = torch.stack([photos[name] for name in chosen]).to(device)
        seeds = [clip_seed(asked.seed, f"photo:{name}") for name in chosen]
        found = invert(wanted, seeds, space, generator, guide, settings, encoder=encoder)
        nearness = psnr(found.images, wanted).tolist()
        for row, name in enumerate(chosen):
            latent, image, delta, after = found.latents[row], found.images[row], {}, ""
            if asked.tune:
                networks = (generator, guide, space, Tuning(), settings, seeds[row])
                delta = tune(latent, wanted[row], *networks)
                with torch.no_grad(), tuned(generator, delta):
                    image = generator.synthesize(space.expand(latent[None], generator))[0]
                after = f", tuned {psnr(image[None], wanted[row : row + 1]).item():.1f} dB"
            place = _write(Path(asked.output), name, latent, image, seeds[row], about, delta)
            print(f"{place}: {nearness[row]:.1f} dB{after} from {names[name]}", flush=True)


def _read_all(names: dict[str, Path], resolution: int, landmarks: str | None) -> "dict[str, Tensor]":
    """The photos by name.

    Raises:
        ConfigError: Some cannot be used; all of these are named.
    """
    from stylewav_pl.data.photos import PhotoError, read_photo

    photos, wrong = {}, list[str]()
    for name, path in names.items():
        try:
            photos[name] = read_photo(path, resolution, Path(landmarks) if landmarks else None)
        except PhotoError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return photos


def _write(
    folder: Path,
    name: str,
    latent: "Tensor",
    image: "Tensor",
    seed: int,
    about: dict[str, str],
    tuning: "dict[str, Tensor]",
) -> Path:
    """Writes a latent and its picture; returns where the latent is."""
    from stylewav_pl.callbacks.writer import latent_file
    from stylewav_pl.files import write_whole
    from stylewav_pl.pictures.images import encode, to_picture
    from stylewav_pl.runs.plan import stem_of

    folder.mkdir(parents=True, exist_ok=True)
    stem = stem_of(name)
    data = latent_file(latent.cpu(), name, about, tuning)
    write_whole(folder / f"{stem}.safetensors", lambda file: file.write(data))
    picture = encode(to_picture(image), "png", name, seed)
    write_whole(folder / f"{stem}.png", lambda file: file.write(picture))
    return folder / f"{stem}.safetensors"
