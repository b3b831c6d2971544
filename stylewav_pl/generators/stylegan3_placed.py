"""StyleGAN3 whose images are turned and shifted: what a configuration names to change where the face is."""

from pathlib import Path

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators.loading import load_generator
from stylewav_pl.generators.stylegan3 import StyleGAN3
from stylewav_pl.ranges import Number, check_number


class PlacedStyleGAN3(StyleGAN3):
    """The network of a file, with its Fourier features turned and shifted, which loses nothing.

    Args:
        source: Registry name or weight file of a StyleGAN3.
        angle: Degrees, counter-clockwise.
        right: In image widths.
        down: In image heights.

    Raises:
        ConfigError: A number is not finite.
        WeightsError: The source holds something else.
    """

    def __init__(
        self, source: str | Path, *, angle: Number = 0.0, right: Number = 0.0, down: Number = 0.0
    ) -> None:
        for name, value in (("angle", angle), ("right", right), ("down", down)):
            check_number(f"model.generator.{name}", value)
        network = load_generator(source)
        if not isinstance(network, StyleGAN3):
            raise WeightsError(
                f"{str(source)!r} holds no StyleGAN3, the only family that can be turned and shifted."
            )
        super().__init__(**network.config)
        self.load_stored(network.stored_tensors())
        self.place(angle, right, down)
        self.freeze()
