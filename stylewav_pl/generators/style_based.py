"""What the generators of the StyleGAN family share."""

from collections.abc import Mapping
from typing import Any, TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from stylewav_pl.generators.stored import StoredGenerator

Grown = TypeVar("Grown", bound="GrownGenerator")
NOISE_MAP = ".noise_const"


class StyleBasedGenerator(StoredGenerator):
    """A generator with a mapping network.

    Attributes:
        mapping: Noise to w.
    """

    mapping: nn.Module

    def map(
        self, z: Float[Tensor, "clip ..."], truncation: float = 1.0, cutoff: int | None = None
    ) -> Float[Tensor, "clip *layer width"]:
        """Maps noise to w and pulls it towards ``w_mean``; see :meth:`Generator.map`.

        Raises:
            ValueError: ``z`` is not ``[clip, z_dim]``, or there are fewer layers than ``cutoff``.
        """
        return self.truncated(self.mapping(self.checked_noise(z)), truncation, cutoff)


class GrownGenerator(StyleBasedGenerator):
    """One with layers for every power of two from 4 px to the image's, and noise maps.

    Attributes:
        channels: Feature channels at each resolution.
    """

    channels: Mapping[int, int]

    @property
    def stored_channels(self) -> dict[str, int]:
        """The channels, as JSON can hold them."""
        return {str(resolution): width for resolution, width in self.channels.items()}

    @classmethod
    def from_config(cls: type[Grown], config: Mapping[str, Any]) -> Grown:
        """See :meth:`StoredGenerator.from_config`."""
        channels = {int(resolution): int(width) for resolution, width in config["channels"].items()}
        return cls(**{**config, "channels": channels})

    @classmethod
    def check_sizes(cls, config: Mapping[str, Any], tensors: int) -> None:
        """See :meth:`StoredGenerator.check_sizes`."""
        cls.check_count(int(config["mapping_depth"]) + len(config["channels"]), tensors)
        cls.check_pixels(max(map(int, config["channels"])))

    @classmethod
    def described(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """See :meth:`StoredGenerator.described`; the channels from coarse to fine."""
        channels = dict(sorted(config["channels"].items(), key=lambda pair: int(pair[0])))
        return {"resolution": max(map(int, channels)), **config, "channels": channels}

    @classmethod
    def may_lack(cls, name: str) -> bool:
        """See :meth:`StoredGenerator.may_lack`: noise maps."""
        return name.endswith(NOISE_MAP)
