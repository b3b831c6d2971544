"""The prior: from a vector of CLIP space to a w of the generator whose image should lie there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from stylewav_pl.priors.network import FlowNetwork
from stylewav_pl.priors.voice_part import VoicePart

FLOW_STEPS = 8
# Of what a move fell short of. All of it takes women's faces to children's: two directions pass by adults.
SHARES = (0.25, 0.5, 0.75)
# Of the distance of two words. With less, others often answer otherwise, or the guide itself some steps on.
LEAD = 0.1
VOICE_DIRECTIONS = 2  # sex and age: what voices differ in, and so all that they may decide


@dataclass(frozen=True)
class Belongings:
    """The networks that a prior was made for; it means nothing beside others.

    Attributes:
        generator: SHA-256 of the generator's weight file.
        guide: SHA-256 of the CLIP model's weight file.
        preprocess: How images reached the guide.
        ears: SHA-256 of the weight files of those audio encoders whose mean is stored, in the order of the
            rows.
    """

    generator: str
    guide: str
    preprocess: str = "clip"
    ears: tuple[str, ...] = field(default=())

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Belongings":
        """Reads what :attr:`config` wrote."""
        return cls(
            str(config["generator_sha256"]),
            str(config["guide_sha256"]),
            str(config["preprocess"]),
            tuple(map(str, config["ears_sha256"])),
        )

    @property
    def config(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "generator_sha256": self.generator,
            "guide_sha256": self.guide,
            "preprocess": self.preprocess,
            "ears_sha256": list(self.ears),
        }


class Prior(nn.Module):
    """Draws latents for targets. Frozen.

    Audio and image vectors of one space lie in different parts of it: a target is moved by the difference of
    the two means before it is asked for.

    Args:
        network: The velocity of the flow.
        belongings: The networks that it was made for.
        held: How many directions of whitened w the moves leave alone.
        questions: How many answers there are to each question about what voices say, such as sex and age.
    """

    w_mean: Tensor
    w_scale: Tensor
    image_mean: Tensor
    image_map: Tensor
    ear_means: Tensor
    ear_directions: Tensor
    shift: Tensor
    directions: Tensor
    held: Tensor
    words: Tensor

    def __init__(
        self, network: FlowNetwork, belongings: Belongings, held: int = 0, questions: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.network, self.belongings, self.questions = network, belongings, tuple(questions)
        embed, latent = network.embed_dim, network.latent_dim
        self.register_buffer("w_mean", torch.zeros(latent))
        self.register_buffer("w_scale", torch.eye(latent))  # [width, width]: whitened w to w
        self.register_buffer("image_mean", torch.zeros(embed))
        self.register_buffer(
            "image_map", torch.zeros(embed, latent)
        )  # whitened w to vectors of images, nearly
        self.register_buffer("ear_means", torch.zeros(len(belongings.ears), embed))
        self.register_buffer("ear_directions", torch.zeros(len(belongings.ears), VOICE_DIRECTIONS, embed))
        # [held, width], orthonormal: along them whitened w tells of what no voice says
        self.register_buffer("held", torch.zeros(held, latent))
        # of all questions in turn: what the guide sees in each answer's words, unit norm
        self.register_buffer("words", torch.zeros(sum(self.questions), embed))
        self.register_buffer("shift", torch.zeros(embed), persistent=False)
        self.register_buffer("directions", torch.zeros(VOICE_DIRECTIONS, embed), persistent=False)
        self.requires_grad_(False)
        self.eval()

    @property
    def latent_dim(self) -> int:
        """Width of w."""
        return self.network.latent_dim

    @property
    def embed_dim(self) -> int:
        """Width of CLIP space."""
        return self.network.embed_dim

    def hear(
        self, mean: Float[Tensor, " embed"], directions: Float[Tensor, "direction embed"] | None = None
    ) -> None:
        """Takes what is known of an audio encoder.

        Args:
            mean: Of its targets: from now on targets are moved to where images are.
            directions: In which its targets differ, orthonormal; :meth:`move` needs them.
        """
        self.shift.copy_(self.image_mean - mean.to(self.image_mean))
        if directions is not None:
            self.directions.copy_(directions)

    @torch.no_grad()
    def sample(
        self,
        targets: Float[Tensor, "clip embed"],
        noise: Float[Tensor, "clip latent"],
        steps: int = FLOW_STEPS,
    ) -> Float[Tensor, "clip latent"]:
        """Returns one w for each target: Euler's method from noise along the flow.

        A clip's w depends on its own target and noise alone.

        Args:
            targets: Unit vectors of the audio encoder that :meth:`hear` was told about.
            noise: Standard Gaussian.
            steps: Of equal length.
        """
        with torch.autocast(targets.device.type, enabled=False):
            conditions = F.normalize(targets.float() + self.shift, dim=-1)
            return self.w_mean + self._flow(conditions, noise, steps) @ self.w_scale.T

    @torch.no_grad()
    def move(
        self,
        latents: Float[Tensor, "clip latent"],
        vectors: Float[Tensor, "clip embed"],
        targets: Float[Tensor, "clip embed"],
        noise: Float[Tensor, "clip latent"],
        steps: int = FLOW_STEPS,
    ) -> Float[Tensor, "clip latent"]:
        """Moves each w by what its voice says.

        The rest stays as it is: glasses, hair colour, skin, background.

        The flow is asked twice with the same noise: for the image's own vector, and for this vector with the
        target's part along :attr:`directions`. The difference of the two answers is added, but for its part
        along :attr:`held`.

        Args:
            latents: w of some faces.
            vectors: What the guide sees in their images, unit norm.
            targets: See :meth:`sample`.
            noise: Standard Gaussian.
            steps: Of equal length.
        """
        with torch.autocast(targets.device.type, enabled=False):
            own = vectors.float()
            wanted = own + self.part.missing(own, targets.float()) @ self.directions
            before = self._flow(F.normalize(own, dim=-1), noise, steps)
            after = self._flow(F.normalize(wanted, dim=-1), noise, steps)
            change = after - before
            return latents + (change - change @ self.held.T @ self.held) @ self.w_scale.T

    @torch.no_grad()
    def complete(
        self,
        latents: Float[Tensor, "clip latent"],
        see: Callable[[Tensor], Tensor],
        targets: Float[Tensor, "clip embed"],
    ) -> tuple[Float[Tensor, "clip latent"], Float[Tensor, "clip embed"]]:
        """Adds of what :meth:`move` fell short of as little as makes images answer as their targets do.

        The way is the least change of whitened w that closes the gap along :attr:`directions`, by
        :attr:`image_map`, and has no part along :attr:`held`. Each clip goes none of it or the least of
        :data:`SHARES` with which its image agrees, see :meth:`agree`; where none does, as far as its image is
        nearest to its whole target.

        Args:
            latents: What :meth:`move` returned.
            see: Tells what the guide sees in the images of such latents, ``[clip, embed]``, unit norm.
            targets: See :meth:`sample`.

        Returns:
            The latents, and what the guide sees in their images.
        """
        with torch.autocast(targets.device.type, enabled=False):
            vectors, wanted = see(latents).float(), targets.float()
            asked = torch.cat([self.directions @ self.image_map, self.held])
            inverse = torch.linalg.pinv(asked)[:, : len(self.directions)]  # [latent, direction]
            way = self.part.missing(vectors, wanted) @ inverse.T @ self.w_scale.T
            taken, seen, agreed = latents, vectors, self.agree(vectors, wanted)
            for share in SHARES:
                if agreed.all():
                    break
                tried = latents + share * way
                found = see(tried).float()
                alike = self.agree(found, wanted)
                nearer = (found * wanted).sum(dim=1) > (seen * wanted).sum(dim=1)
                better = (~agreed & (alike | nearer))[:, None]
                taken, seen = torch.where(better, tried, taken), torch.where(better, found, seen)
                agreed |= alike
            return taken, seen

    def agree(
        self, vectors: Float[Tensor, "clip embed"], targets: Float[Tensor, "clip embed"]
    ) -> Bool[Tensor, " clip"]:
        """Tells whether images answer all questions as their targets do, and clearly: see :meth:`leads`."""
        return self.leads(vectors, targets) >= 0

    def leads(
        self, vectors: Float[Tensor, "clip embed"], targets: Float[Tensor, "clip embed"]
    ) -> Float[Tensor, " clip"]:
        """Returns by how much images answer all questions as their targets do; below 0: they do not, clearly.

        The words nearest to the target have to be nearer to the image than all others, by :data:`LEAD` of
        one minus the cosine of the two words. The smallest lead beyond that counts, or 0 where it is larger.

        Args:
            vectors: What the guide sees in images, unit norm.
            targets: Unit vectors of an audio encoder.
        """
        vectors, targets = vectors.float(), targets.float()
        smallest = vectors.new_zeros(len(vectors))
        for words in torch.split(self.words.to(vectors), list(self.questions)):
            wanted = words[(targets @ words.T).argmax(dim=1)]
            apart = wanted[:, None] - words  # [clip, answer, embed]; zero for the answer itself
            leads = (apart @ vectors[:, :, None])[:, :, 0] - LEAD * apart.square().sum(dim=2) / 2
            smallest = torch.minimum(smallest, leads.amin(dim=1))
        return smallest

    @property
    def part(self) -> VoicePart:
        """What a voice decides, once :meth:`hear` has told about its encoder."""
        return VoicePart(self.image_mean - self.shift, self.image_mean, self.directions)

    def _flow(
        self, conditions: Float[Tensor, "clip embed"], noise: Float[Tensor, "clip latent"], steps: int
    ) -> Float[Tensor, "clip latent"]:
        """Returns whitened latents."""
        points = noise.float()
        for step in range(steps):
            times = points.new_full((len(points),), step / steps)
            points = points + self.network(points, times, conditions) / steps
        return points
