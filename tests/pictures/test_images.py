"""Pictures: what is written is what was meant, to half a grey level."""

import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stylewav_pl.pictures.images import (
    IMAGE_NOTICE,
    from_bytes,
    from_picture,
    png_metadata,
    to_bytes,
    to_picture,
)


def test_every_grey_level_survives_the_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(16, 16, 1).expand(16, 16, 3).clone()
    levels[..., 1] = levels[..., 1].flip(0)  # channels must not be mixed up
    assert torch.equal(to_bytes(from_bytes(levels)), levels)
    assert torch.equal(to_bytes(from_picture(to_picture(from_bytes(levels)))), levels)


@given(st.floats(-1, 1, width=32))
def test_the_round_trip_is_exact_to_half_a_level(value: float) -> None:
    image = torch.full((3, 1, 1), value)
    assert float((from_bytes(to_bytes(image)) - image).abs().max()) <= 0.5 / 127.5 + 1e-6


def test_values_beyond_the_range_are_clamped() -> None:
    image = torch.tensor([-9.0, 9.0, 1.001]).reshape(3, 1, 1)
    assert to_bytes(image).flatten().tolist() == [0, 255, 255]


def test_batches_keep_their_order() -> None:
    images = torch.rand(2, 5, 3, 4, 6) * 2 - 1
    batch = to_bytes(images)
    assert batch.shape == (2, 5, 4, 6, 3)
    assert torch.equal(batch[1, 3], to_bytes(images[1, 3]))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_other_pictures_are_read_as_rgb(mode: str) -> None:
    picture = Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode)
    assert torch.equal(from_picture(picture), torch.ones(3, 4, 5))


def test_a_written_png_says_that_it_is_no_portrait() -> None:
    buffer = io.BytesIO()
    to_picture(torch.zeros(3, 4, 4)).save(buffer, format="PNG", pnginfo=png_metadata("stimme/ä", 2**62))
    with Image.open(buffer) as picture:
        assert picture.info["Comment"] == IMAGE_NOTICE
        assert "Not a portrait" in IMAGE_NOTICE
        assert picture.info["Clip"] == "stimme/ä"
        assert picture.info["Seed"] == str(2**62)
        assert picture.info["Software"].startswith("stylewav-pl ")


def test_an_id_that_is_no_utf8_does_not_stop_the_writer() -> None:
    buffer = io.BytesIO()
    to_picture(torch.zeros(3, 4, 4)).save(buffer, format="PNG", pnginfo=png_metadata("caf\udce9", 0))
    assert buffer.getvalue().startswith(b"\x89PNG")
