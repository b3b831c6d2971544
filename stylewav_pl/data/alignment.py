"""Faces cut out of photos as the pictures of FFHQ were, from landmarks that somebody has found.

Source: T. Karras, S. Laine, T. Aila, "A Style-Based Generator Architecture for Generative Adversarial
Networks" (2019), appendix A; the rule in numbers as published with FFHQ.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image

LEFT_EYE, RIGHT_EYE = (
    slice(36, 42),
    slice(42, 48),
)  # of 68 landmarks, as dlib numbers them; left in the picture
MOUTH_CORNERS = (48, 54)
EYES_SHARE, MOUTH_SHARE, DOWN = 2.0, 1.8, 0.1


@dataclass(frozen=True)
class Square:
    """Where a face lies in a photo, in pixels.

    Attributes:
        centre: Of the square.
        across: Half of its upper side, from left to right.
    """

    centre: Float[np.ndarray, " 2"]
    across: Float[np.ndarray, " 2"]

    @property
    def down(self) -> Float[np.ndarray, " 2"]:
        """Half of its left side, downwards."""
        return np.array([-self.across[1], self.across[0]])

    @property
    def corners(self) -> Float[np.ndarray, "4 2"]:
        """Upper left, lower left, lower right, upper right, as Pillow takes them."""
        x, y = self.across, self.down
        return np.stack([self.centre - x - y, self.centre - x + y, self.centre + x + y, self.centre + x - y])


def ffhq_square(landmarks: Float[np.ndarray, "point 2"]) -> Square:
    """Returns the square that FFHQ's rule cuts out.

    Args:
        landmarks: In pixels: 68 as dlib numbers them; or 5: the eyes, the nose, the corners of the mouth,
            each pair from left to right in the picture.

    Raises:
        ValueError: It is another number of points, or they lie on one spot.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape == (68, 2):
        left, right = points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)
        mouth = points[list(MOUTH_CORNERS)].mean(axis=0)
    elif points.shape == (5, 2):
        left, right, mouth = points[0], points[1], points[3:].mean(axis=0)
    else:
        raise ValueError(f"expected 68 or 5 points (x, y), found numbers of shape {list(points.shape)}")
    eyes, to_eye = (left + right) / 2, right - left
    to_mouth = mouth - eyes
    # across: the line of the eyes, and the one at right angles to the line down to the mouth, added up
    direction = to_eye + np.array([to_mouth[1], -to_mouth[0]])
    length = np.hypot(*direction)
    if not np.isfinite(points).all() or length < 1e-6:
        raise ValueError("the points lie on one spot, or are no finite numbers")
    half = max(np.hypot(*to_eye) * EYES_SHARE, np.hypot(*to_mouth) * MOUTH_SHARE)
    return Square(eyes + DOWN * to_mouth, direction / length * half)


def cut_out(photo: Image.Image, square: Square, size: int) -> Image.Image:
    """Returns the face, ``size`` pixels high and wide; what lies outside of the photo is its mirror image.

    Args:
        photo: RGB.
        square: Of :func:`ffhq_square`.
        size: Of the result.
    """
    corners = square.corners
    shrink = max(1, int(2 * np.hypot(*square.across) / size / 2))  # before turning, so that nothing flickers
    if shrink > 1:
        small = (max(1, round(photo.width / shrink)), max(1, round(photo.height / shrink)))
        corners = corners * (np.array(small) / (photo.width, photo.height))
        photo = photo.resize(small, Image.Resampling.BOX)
    low = np.floor(corners.min(axis=0)).astype(int) - 2
    high = np.ceil(corners.max(axis=0)).astype(int) + 3
    pixels = np.asarray(photo)
    rows, columns = (
        mirrored(np.arange(low[axis], high[axis]), length)
        for axis, length in ((1, photo.height), (0, photo.width))
    )
    around = Image.fromarray(pixels[rows][:, columns])
    quad = tuple((corners - low).flatten().tolist())
    return around.transform((size, size), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)


def mirrored(places: np.ndarray, length: int) -> np.ndarray:
    """Returns the places inside of ``[0, length)`` that a mirror at each edge shows.

    >>> mirrored(np.arange(-2, 5), 3).tolist()
    [1, 0, 0, 1, 2, 2, 1]
    """
    turned = places % (2 * length)
    return np.where(turned < length, turned, 2 * length - 1 - turned)
