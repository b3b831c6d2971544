"""How alike two pictures look, by what a CLIP model sees in their patches: a distance that needs no download.

Built as LPIPS is (Zhang et al. 2018, arXiv:1801.03924): features of several layers, at unit length at each
place, compared place by place; with the guide for a network, and the same weight for each layer.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.errors import ConfigError

MOST_LAYERS = 4


class PatchDistance:
    """Compares images with given ones.

    Args:
        guide: A CLIP model with a vision transformer or a ResNet.
        images: RGB in [-1, 1].

    Raises:
        ConfigError: The guide's network has no such layers.
    """

    def __init__(self, guide: ImageTextEmbedder, images: Float[Tensor, "photo 3 height width"]) -> None:
        self.guide, self.layers = guide, layers_of(guide)
        with torch.no_grad():
            self.wanted = self.features(images)

    def __call__(self, images: Float[Tensor, "photo 3 height width"]) -> Float[Tensor, " photo"]:
        """Returns the distance of each image to its own, in [0, 2]: 1 - cosine, over places and layers."""
        pairs = zip(self.features(images), self.wanted, strict=True)
        apart = [1 - (mine * wanted).sum(dim=-1).mean(dim=1) for mine, wanted in pairs]
        return torch.stack(apart).mean(dim=0)

    def features(self, images: Float[Tensor, "photo 3 height width"]) -> list[Float[Tensor, "photo place _"]]:
        """Returns what each layer sees at each place, at unit length."""
        found: list[Tensor] = []

        def keep(layer: nn.Module, inputs: object, output: Tensor) -> None:
            # a transformer has its tokens in the middle, a ResNet its channels
            places = output.flatten(2).transpose(1, 2) if output.ndim == 4 else output
            found.append(F.normalize(places.float(), dim=-1))

        hooks = [layer.register_forward_hook(keep) for layer in self.layers]
        try:
            self.guide.embed_image(images)
        finally:
            for hook in hooks:
                hook.remove()
        return found


def layers_of(guide: ImageTextEmbedder) -> list[nn.Module]:
    """Returns at most four layers of a guide's image tower, evenly spaced.

    Raises:
        ConfigError: It has none whose features lie on places of the image.
    """
    tower = getattr(getattr(guide, "network", None), "visual", None)
    blocks = getattr(getattr(tower, "transformer", None), "resblocks", None)
    if blocks is not None:
        every = max(1, len(blocks) // MOST_LAYERS)
        return [blocks[place] for place in range(every - 1, len(blocks), every)][:MOST_LAYERS]
    stages = [getattr(tower, f"layer{number}", None) for number in range(1, MOST_LAYERS + 1)]
    found = [stage for stage in stages if isinstance(stage, nn.Module)]
    if not found:
        raise ConfigError(
            f"The guide ({type(guide).__name__}) has no patch features to compare pictures by. Set the "
            "inversion's perceptual to 0 (pixels alone), or choose a guide with a vision transformer or a "
            "ResNet."
        )
    return found
