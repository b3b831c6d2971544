"""Latents from files: every format that others write, checked against the generator, and nothing run."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.latent_files import MOST_BYTES, StoredLatent, as_latent, read_latent
from stylewav_pl.optimisation.latents import S, W, WPlus, style_sizes


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load_generator("pocket")


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def written(path: Path, form: str, latent: Tensor) -> Path:
    """A latent as one of the programs writes it."""
    if form == "own":
        save_file({"latent": latent}, path, metadata={"space": "w", "id": "a"})
    elif form == "e4e":
        torch.save(latent[None], path)
    elif form == "old torch":
        torch.save(latent[None], path, _use_new_zipfile_serialization=False)
    elif form == "projector":
        np.savez(path.with_suffix(".npz"), w=latent[None].numpy())
        path.with_suffix(".npz").rename(path)
    elif form == "StyleMC":
        np.savez(path.with_suffix(".npz"), s=latent[None].numpy())
        path.with_suffix(".npz").rename(path)
    else:
        path.write_bytes(_npy(latent.numpy()))
    return path


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("form", ["own", "e4e", "old torch", "projector", "StyleMC", "npy"])
def test_each_format_is_told_from_its_content(form: str, tmp_path: Path) -> None:
    latent = random(10, 128)
    found = read_latent(written(tmp_path / "no-suffix", form, latent))
    torch.testing.assert_close(found.values.reshape(10, 128), latent)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


@pytest.mark.parametrize("form", ["pickle", "object array", "torch"])
def test_nothing_in_a_file_is_run(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "latent"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"w": Evil()}))
    elif form == "object array":
        np.savez(tmp_path / "latent.npz", w=np.array([Evil()], dtype=object))
        path = tmp_path / "latent.npz"
    else:
        torch.save({"latent": Evil()}, path)
    with pytest.raises(WeightsError):
        read_latent(path)
    assert not (tmp_path / "touched").exists()


def test_a_small_file_may_not_become_large(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    zeros = np.zeros(MOST_BYTES // 4 + 1, np.float32)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", _npy(zeros))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(WeightsError, match="unpacks to more than 64 MiB"):
        read_latent(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"latent": torch.full((3,), torch.nan)}, "not finite"),
        ({"other": torch.zeros(3)}, "holds no latent: expected .* found other"),
    ],
)
def test_other_files_are_refused(content: dict, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "latent.pt")
    with pytest.raises(WeightsError, match=words):
        read_latent(tmp_path / "latent.pt")
    with pytest.raises(WeightsError, match="found nothing"):
        read_latent(tmp_path / "absent.pt")


def stored(values: Tensor, **about: str) -> StoredLatent:
    return StoredLatent(Path("given"), values, about)


def test_a_latent_renders_the_same_in_every_space_that_holds_it(generator: Generator) -> None:
    w, plus = generator.map(random(1, generator.z_dim))[0], random(generator.num_ws, generator.w_dim)
    for given, spaces in (
        (w, (W(), WPlus(), S())),
        (plus, (WPlus(), S())),
        (w.repeat(generator.num_ws, 1), (W(),)),
    ):
        expected = generator.synthesize(given[None])
        for space in spaces:
            latent = as_latent(stored(given[None]), space, generator)
            found = generator.synthesize(space.expand(latent[None], generator))
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    styles = random(sum(style_sizes(generator)))
    torch.testing.assert_close(as_latent(stored(styles), S(), generator), styles)


def test_what_does_not_fit_is_refused(generator: Generator) -> None:
    plus, styles = random(generator.num_ws, generator.w_dim), random(sum(style_sizes(generator)))
    with pytest.raises(WeightsError, match=r"latent of W\+, which W cannot hold.*WPlus or S"):
        as_latent(stored(plus), W(), generator)
    with pytest.raises(WeightsError, match=r"latent of S, which WPlus cannot hold.*to S"):
        as_latent(stored(styles), WPlus(), generator)
    with pytest.raises(WeightsError, match=r"tensor \[18, 512\], which is no latent of this generator"):
        as_latent(stored(random(18, 512)), W(), generator)
    with pytest.raises(WeightsError, match="of another generator: expected SHA-256 abc, found def"):
        as_latent(stored(random(generator.w_dim), generator_sha256="def"), W(), generator, "abc")
