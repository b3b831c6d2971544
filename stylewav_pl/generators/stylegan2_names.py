"""The names of StyleGAN2's tensors in files, and in the network.

Files number the layers of one kind from coarse to fine: ``convolutions.0`` at 4 px, then two per resolution;
``to_rgbs.0`` and so on, of those there are; ``shortcuts.0`` at 8 px. The network keeps them in its blocks.
"""

from collections.abc import Mapping

from torch import Tensor


def layer_names(blocks: int, architecture: str) -> dict[str, str]:
    """Returns the name in the network of each layer in a file.

    Args:
        blocks: Number of resolutions.
        architecture: See :class:`~stylewav_pl.generators.stylegan2.StyleGAN2`.

    >>> layer_names(2, "skip")["convolutions.1"], layer_names(2, "orig")["to_rgbs.0"]
    ('blocks.1.conv_up', 'blocks.1.to_rgb')
    """
    names = {"convolutions.0": "blocks.0.conv"}
    for block in range(1, blocks):
        names[f"convolutions.{2 * block - 1}"] = f"blocks.{block}.conv_up"
        names[f"convolutions.{2 * block}"] = f"blocks.{block}.conv"
        if architecture == "resnet":
            names[f"shortcuts.{block - 1}"] = f"blocks.{block}.shortcut"
    first_rgb = 0 if architecture == "skip" else blocks - 1
    for block in range(first_rgb, blocks):
        names[f"to_rgbs.{block - first_rgb}"] = f"blocks.{block}.to_rgb"
    return names


def to_network_names(tensors: Mapping[str, Tensor], blocks: int, architecture: str) -> dict[str, Tensor]:
    """Renames the tensors of a file for ``load_state_dict``; unknown names stay as they are."""
    return _renamed(tensors, layer_names(blocks, architecture))


def to_stored_names(tensors: Mapping[str, Tensor], blocks: int, architecture: str) -> dict[str, Tensor]:
    """Renames the tensors of a ``state_dict`` for a file."""
    stored = {inside: outside for outside, inside in layer_names(blocks, architecture).items()}
    return _renamed(tensors, stored)


def _renamed(tensors: Mapping[str, Tensor], layers: Mapping[str, str]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        for length in (2, 3):  # convolutions.0 in a file, blocks.0.conv in the network
            layer = ".".join(parts[:length])
            if layer in layers:
                name = ".".join([layers[layer], *parts[length:]])
                break
        renamed[name] = tensor
    return renamed
