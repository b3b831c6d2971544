"""e4e's encoder: its published layout with small numbers, against a slow reading of the same file."""

from pathlib import Path

import pytest
import torch
from slow_e4e import slow_e4e
from torch import Tensor

from stylewav_pl.cli import main
from stylewav_pl.embedders.linear import LinearImageTextEmbedder
from stylewav_pl.embedders.photo_encoder import Pyramid, load_photo_encoder
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.generators import StyleGAN2
from stylewav_pl.optimisation.inversion import Inversion, invert
from stylewav_pl.optimisation.latents import S, W, WPlus
from stylewav_pl.optimisation.photo_start import PhotoStarts
from stylewav_pl.weights.published import PUBLISHED
from stylewav_pl.weights.registry import resolve

LAYERS, WIDTH = 8, 16


def tensors(seed: int = 0) -> dict[str, Tensor]:
    """Random ones under the published names, statistics above zero."""
    random, named = torch.Generator().manual_seed(seed), {}
    for name, like in Pyramid((16, 32, 48, 64), LAYERS, WIDTH).state_dict().items():
        if not like.is_floating_point():
            named[name] = torch.tensor(7)
            continue
        fan_in = max(1, like[0].numel()) if like.ndim > 1 else 4
        named[name] = torch.randn(like.shape, generator=random) / fan_in**0.5
        if name.endswith("running_var"):
            named[name] = named[name].abs() + 0.5
    return named


def published(path: Path, named: dict[str, Tensor], **others: object) -> Path:
    """A file as its authors save it: the generator is in it, too, and the options of the training."""
    state = {f"encoder.{name}": value for name, value in named.items()}
    state["decoder.style.1.weight"] = torch.zeros(2, 2)
    mean = torch.linspace(-1, 1, LAYERS * WIDTH).reshape(LAYERS, WIDTH)
    content = {"state_dict": state, "latent_avg": mean, "opts": {"stylegan_size": 32}, **others}
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("e4e") / "e4e_ffhq_encode.pt", tensors())


def generator() -> StyleGAN2:
    torch.manual_seed(1)
    return StyleGAN2({4: 6, 8: 5, 16: 4, 32: 4}, z_dim=6, w_dim=WIDTH, mapping_depth=2).freeze()


def photos(count: int, side: int = 32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_the_published_layout_is_computed(file: Path) -> None:
    encoder, images = load_photo_encoder(file), photos(1, 256)
    mean = torch.linspace(-1, 1, LAYERS * WIDTH).reshape(LAYERS, WIDTH)
    expected = slow_e4e(images, tensors(), mean)
    assert (expected - mean).std() > 0.1, "the answers matter"
    torch.testing.assert_close(encoder.encode(images), expected, rtol=1e-4, atol=1e-4)


def test_a_photo_does_not_depend_on_its_company(file: Path) -> None:
    encoder, images = load_photo_encoder(file), photos(2)
    assert torch.equal(encoder.encode(images)[1:2], encoder.encode(images[1:2]))
    assert encoder.encode(images[:0]).shape == (0, LAYERS, WIDTH)


@pytest.mark.parametrize("space", [WPlus(), S()], ids=lambda space: space.name)
def test_its_answer_is_the_start_and_steps_come_nearer(file: Path, space: WPlus | S) -> None:
    network, images, guide = generator(), photos(1), LinearImageTextEmbedder()
    encoder = load_photo_encoder(file)
    settings = {"encoder": str(file), "perceptual": 0.0, "noise": 0.0}
    answers = space.from_w_plus(encoder.encode(images), network)
    at_once = invert(images, [1], space, network, guide, Inversion(steps=0, **settings), encoder=encoder)
    assert torch.equal(at_once.latents, answers)
    if isinstance(space, S):
        return  # its steps are those of W+
    refined = invert(images, [1], space, network, guide, Inversion(steps=30, **settings), encoder=encoder)
    errors = [(found.images - images).square().mean(dim=(1, 2, 3)) for found in (at_once, refined)]
    assert (errors[1] < errors[0]).all()


def test_as_a_start_of_clips(file: Path, tmp_path: Path) -> None:
    from stylewav_pl.pictures.images import to_picture

    to_picture(photos(1)[0]).save(tmp_path / "me.png")
    settings = Inversion(steps=0, perceptual=0.0, encoder=str(file))
    networks = (generator(), LinearImageTextEmbedder())
    starts = PhotoStarts(str(tmp_path / "me.png"), WPlus(), *networks, settings)
    assert starts.photo is not None
    assert torch.equal(starts.of("any"), load_photo_encoder(file).encode(starts.photo[None])[0])
    with pytest.raises(ConfigError, match="W has one for all of them"):
        PhotoStarts(str(tmp_path / "me.png"), W(), *networks, settings)
    small = StyleGAN2({4: 6, 8: 5}, z_dim=6, w_dim=WIDTH, mapping_depth=2)
    with pytest.raises(ConfigError, match="8 vectors of 16, and the generator takes 4 of 16"):
        PhotoStarts(str(tmp_path / "me.png"), WPlus(), small, networks[1], settings)


def test_no_steps_need_an_encoder() -> None:
    with pytest.raises(ConfigError, match=r"inversion\.steps"):
        Inversion(steps=0)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda named: named.pop("styles.3.convs.2.bias"), "does not fit e4e's encoder"),
        (lambda named: named.pop("styles.7.linear.weight"), "found 7 heads"),
        (lambda named: named.pop("body.7.res_layer.1.weight"), "3 groups"),
        (lambda named: named["body.0.res_layer.1.weight"].fill_(torch.nan), "not finite"),
        (lambda named: named.update({"body.0.res_layer.1.weight": torch.tensor(1.0)}), "3 groups"),
        (lambda named: named.update({"latlayer2.weight": torch.zeros(64, 31, 1, 1)}), "does not fit"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(damage, words: str, tmp_path: Path) -> None:
    named = tensors()
    damage(named)
    with pytest.raises(WeightsError, match=words):
        load_photo_encoder(published(tmp_path / "e4e.pt", named))


def test_another_file_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": tensors()}, tmp_path / "body.pt")
    with pytest.raises(WeightsError, match="is no encoder of photos"):
        load_photo_encoder(tmp_path / "body.pt")
    with pytest.raises(WeightsError, match="latent_avg of the shape"):
        load_photo_encoder(published(tmp_path / "e4e.pt", tensors(), latent_avg=torch.zeros(3)))
    with pytest.raises(WeightsError, match=r"photo_encoder.*e4e-ffhq"):
        resolve("e4e", "photo_encoder")
    assert [one.file for one in PUBLISHED if one.kind == "photo_encoder"] == ["e4e_ffhq_encode.pt"]


def test_inspect_tells_what_it_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "inspect", str(file)]) == 0
    told = capsys.readouterr().out
    assert "photo_encoder" in told and "e4e" in told and "(48, 32, 3, 3)" in told
