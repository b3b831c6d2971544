"""Shapes in signatures are checked while tests run."""

import pytest
import torch
from jaxtyping import TypeCheckError

from stylewav_pl.pictures import images


def test_another_shape_than_the_signature_s_is_an_error() -> None:
    with pytest.raises(TypeCheckError):
        images.to_picture(torch.zeros(4, 3, 4))
