"""Photos and FFHQ's alignment."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from stylewav_pl.data.alignment import cut_out, ffhq_square
from stylewav_pl.data.photos import PhotoError, photo_of, read_landmarks, read_photo

FIVE = np.array([[40.0, 50], [80, 50], [60, 70], [45, 90], [75, 90]])  # eyes, nose, corners of the mouth


def sixty_eight(five: np.ndarray) -> np.ndarray:
    """As dlib numbers them: six points around each eye, the mouth's corners 48 and 54."""
    points = np.zeros((68, 2))
    ring = 4 * np.stack([np.cos(np.arange(6) * np.pi / 3), np.sin(np.arange(6) * np.pi / 3)], axis=1)
    points[36:42], points[42:48] = five[0] + ring, five[1] + ring
    points[48], points[54] = five[3], five[4]
    return points


def test_the_square_of_an_upright_face() -> None:
    square = ffhq_square(FIVE)
    # eyes 40 apart, mouth 40 below them: half a side of max(2 * 40, 1.8 * 40)
    np.testing.assert_allclose(square.centre, [60, 54])
    np.testing.assert_allclose(square.across, [80, 0], atol=1e-9)
    np.testing.assert_allclose(square.corners, [[-20, -26], [-20, 134], [140, 134], [140, -26]], atol=1e-9)
    np.testing.assert_allclose(ffhq_square(sixty_eight(FIVE)).corners, square.corners, atol=1e-9)


def test_a_long_face_is_measured_by_its_mouth_and_a_turned_one_is_turned() -> None:
    long = FIVE + np.array([[0, 0], [0, 0], [0, 20], [0, 40], [0, 40]])
    np.testing.assert_allclose(ffhq_square(long).across, [144, 0], atol=1e-9)
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(ffhq_square(FIVE @ turn).corners, ffhq_square(FIVE).corners @ turn, atol=1e-9)


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("angle", [0, 25])
def test_a_turned_photo_gives_the_upright_face(size: int, angle: float) -> None:
    """Marks at the eyes and the mouth come out where the rule puts them, whatever the photo's turn."""
    turn = np.deg2rad(angle)
    rotate = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = 3 * (FIVE @ rotate) + [300, 300]
    photo = Image.new("RGB", (900, 900), "#808080")
    draw = ImageDraw.Draw(photo)
    for (x, y), colour in zip(points[[0, 1, 3]], ("red", "lime", "blue"), strict=True):
        draw.ellipse((x - 12, y - 12, x + 12, y + 12), fill=colour)
    face = np.asarray(cut_out(photo, ffhq_square(points), size), dtype=float)
    wanted = (FIVE - [-20, -26]) / 160 * size
    for channel, (x, y) in enumerate(wanted[[0, 1, 3]]):
        strength = face[:, :, channel] - face.sum(axis=2) / 3
        rows, columns = np.nonzero(strength > 0.6 * strength.max())
        assert abs(columns.mean() - x) < 0.02 * size and abs(rows.mean() - y) < 0.02 * size


def test_what_lies_outside_is_mirrored() -> None:
    photo = Image.new("RGB", (100, 100), "#40c0a0")
    face = cut_out(photo, ffhq_square(FIVE), 32)
    assert np.ptp(np.asarray(face, dtype=int).reshape(-1, 3), axis=0).max() <= 1


@pytest.mark.parametrize("points", [np.zeros((7, 2)), np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_points_that_are_no_face_are_refused(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match="point"):
        ffhq_square(points)


@pytest.mark.parametrize("form", ["json", "named.json", "npz", "txt"])
def test_landmarks_in_every_form(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"points.{form.rpartition('.')[2]}"
    if form == "npz":
        np.savez(path, landmarks=FIVE, other=np.zeros(3))
    elif form == "txt":
        path.write_text("\n".join(f"{x}, {y}" for x, y in FIVE))
    else:
        path.write_text(json.dumps(FIVE.tolist() if form == "json" else {"landmarks": FIVE.tolist()}))
    np.testing.assert_allclose(read_landmarks(path), FIVE)


def test_a_square_picture_and_one_with_landmarks(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "#ff0000").save(tmp_path / "a.png")
    face = read_photo(tmp_path / "a.png", 32)
    assert face.shape == (3, 32, 32) and torch.equal(face[:, 0, 0], torch.tensor([1.0, -1.0, -1.0]))
    Image.new("RGBA", (300, 200), "#0000ff").save(tmp_path / "b.png")
    with pytest.raises(PhotoError, match=r"aligned square picture.*b\.json.*300x200"):
        read_photo(tmp_path / "b.png", 32)
    (tmp_path / "b.json").write_text(json.dumps(FIVE.tolist()))
    assert read_photo(tmp_path / "b.png", 32)[2].min() > 0.99
    (tmp_path / "other.txt").write_text("1 2\n3")
    for landmarks in (tmp_path / "other.txt", tmp_path / "absent.json"):
        with pytest.raises(PhotoError, match="landmarks"):
            read_photo(tmp_path / "b.png", 32, landmarks)


def test_photos_are_turned_as_cameras_say(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 40), "black")
    picture.paste("white", (0, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "a.png", exif=exif)
    face = read_photo(tmp_path / "a.png", 40)
    assert face[:, :10].max() < -0.9 and face[:, -10:].min() > 0.9


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    for name in ("a.png", "absent.png"):
        with pytest.raises(PhotoError, match=name):
            read_photo(tmp_path / name, 32)


def test_the_photo_of_a_clip(tmp_path: Path) -> None:
    for name in ("a.jpg", "mein-clip-5e876d8ce2.png"):
        (tmp_path / name).touch()
    assert photo_of(tmp_path, "a").name == "a.jpg"
    assert photo_of(tmp_path, "Mein Clip").name == "mein-clip-5e876d8ce2.png"
    for id in ("b", "../a", "/a", "\0"):
        with pytest.raises(PhotoError, match="No photo of this clip"):
            photo_of(tmp_path / ".", id)
