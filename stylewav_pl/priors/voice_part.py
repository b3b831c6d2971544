"""What a voice can say about a face: its target's part along the few directions in which voices differ."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

STRENGTH = (
    0.9  # a target is the direction of many faces' mean, and so lies farther out than most of these faces
)


@dataclass(frozen=True)
class VoicePart:
    """Where targets lie among images, along the directions in which voices differ.

    Attributes:
        heard: ``[embed]``, the mean target of voices.
        seen: ``[embed]``, the mean vector of random faces, which lies in another part of CLIP space.
        directions: ``[direction, embed]``, orthonormal.
    """

    heard: Tensor
    seen: Tensor
    directions: Tensor

    def missing(
        self, vectors: Float[Tensor, "clip embed"], targets: Float[Tensor, "clip embed"]
    ) -> Float[Tensor, "clip direction"]:
        """Returns how far images are from where their targets lie, along each direction."""
        heard, seen, directions = (part.to(vectors) for part in (self.heard, self.seen, self.directions))
        return (seen + STRENGTH * (targets - heard) - vectors) @ directions.T

    def goals(
        self, vectors: Float[Tensor, "clip embed"], targets: Float[Tensor, "clip embed"]
    ) -> Float[Tensor, "clip embed"]:
        """Returns the vectors of images with their targets' part along the directions, unit norm.

        Args:
            vectors: What the guide sees in images, unit norm.
            targets: What was heard, unit norm.
        """
        part = self.missing(vectors, targets) @ self.directions.to(vectors)
        return F.normalize(vectors + part, dim=-1)
