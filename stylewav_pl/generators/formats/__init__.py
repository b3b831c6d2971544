"""The published formats of generators, recognised by what a file holds."""

from pathlib import Path

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.generators.formats.alias_free import AliasFreePickle
from stylewav_pl.generators.formats.base import Format, Published
from stylewav_pl.generators.formats.persistent import PersistentPickle
from stylewav_pl.generators.formats.rosinality import Rosinality
from stylewav_pl.generators.formats.stylegan import StyleGANConversion, StyleGANTensorFlow
from stylewav_pl.generators.formats.tensorflow import TensorFlowPickle
from stylewav_pl.generators.formats.vqgan import TamingCheckpoint, with_resolution
from stylewav_pl.weights.contents import is_safetensors, read_contents
from stylewav_pl.weights.store import read_weights

__all__ = ["FORMATS", "Format", "Published", "read_published"]

FORMATS: tuple[Format, ...] = (
    AliasFreePickle(),
    PersistentPickle(),
    StyleGANTensorFlow(),
    TensorFlowPickle(),
    StyleGANConversion(),
    Rosinality(),
    TamingCheckpoint(),
)


def read_published(path: Path) -> Published:
    """Reads the generator in a weight file of any format, by content.

    Raises:
        WeightsError: The file is damaged, hostile, or holds something else; the message says what.
    """
    if is_safetensors(path):
        file = read_weights(path, "generator")
        return Published("stylewav-pl safetensors", file.architecture, file.config, file.tensors)
    contents = read_contents(path)
    try:
        for known in FORMATS:
            if published := known.read(contents):
                return with_resolution(path, published)
    except WeightsError as error:
        raise WeightsError(f"{path} cannot be used: {one_line(error, 400)}") from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path} is damaged: its values are not those of a network ({one_line(error)}). Fetch it again."
        ) from error
    raise WeightsError(
        f"{path} holds no generator of a known format. Expected a StyleGAN pickle of NVIDIA with 'G_ema' "
        "or three networks, a rosinality "
        "checkpoint with 'g_ema', a VQGAN checkpoint with 'state_dict', "
        f"or safetensors of stylewav-pl; found {_described(contents)}."
    )


def _described(contents: object) -> str:
    if isinstance(contents, dict):
        return (
            "a dictionary with the keys "
            f"{', '.join(repr(key)[:60] for key in list(contents)[:8]) or '(none)'}"
        )
    return f"a value of type {type(contents).__name__}"
