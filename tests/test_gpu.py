"""On a GPU everything is what it is on a CPU, within the rounding of sums in another order.

Skipped without one; what needs no arithmetic is in test_placement.py.
"""

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from stylewav_pl.cli import main
from stylewav_pl.embedders import load_audio_embedder, load_image_text_embedder
from stylewav_pl.embedders.identity import load_identity
from stylewav_pl.embedders.linear import LinearImageTextEmbedder
from stylewav_pl.face import Face, generate
from stylewav_pl.generators import Generator, load_generator
from stylewav_pl.optimisation.hardware import DTYPES, Precision, Speed
from stylewav_pl.optimisation.latents import W
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.weights.registry import AUTO, STRONG_EAR, choose_ear

pytestmark = pytest.mark.gpu

DEVICE = torch.device("cuda")
# how far images and gradients may be from those of a CPU in float32
PRECISIONS: dict[Precision, tuple[float, float]] = {
    "float32": (1e-4, 1e-3),
    "tfloat32": (2e-3, 0.06),
    "bfloat16": (0.02, 0.15),
    "float16": (2e-3, 0.06),
}
CLIPS = 4


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Every test begins and ends without TF32."""
    Speed("float32").apply(DEVICE)
    yield
    Speed("float32").apply(DEVICE)


def apart(one: Tensor, other: Tensor) -> float:
    """How far apart two tensors are, relative to the length of the second."""
    one, other = one.detach().cpu().double(), other.detach().cpu().double()
    return float((one - other).norm() / other.norm())


def image_and_gradient(
    generator: Generator, latents: Tensor, precision: Precision = "float32"
) -> tuple[Tensor, Tensor]:
    """The images of latents, and the gradient of a mean that weighs every pixel differently."""
    latents = latents.clone().requires_grad_()
    images = Renderer(generator, LinearImageTextEmbedder(), W(), precision=precision).render(latents)
    weights = torch.randn(images.shape, generator=torch.Generator().manual_seed(5)).to(images.device)
    (gradient,) = torch.autograd.grad((images * weights).mean(), latents)
    return images, gradient


def some_ws(generator: Generator) -> Tensor:
    random = torch.Generator().manual_seed(3)
    return generator.map(torch.randn(CLIPS, generator.z_dim, generator=random), truncation=0.7)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_images_and_gradients_of_the_pocket_generator(precision: Precision) -> None:
    generator = load_generator("pocket").freeze()
    latents = some_ws(generator)
    exact = image_and_gradient(generator, latents)
    Speed(precision).apply(DEVICE)
    generator = load_generator("pocket").to(DEVICE).freeze(DTYPES[precision], float32_up_to=8)
    there = image_and_gradient(generator, latents.to(DEVICE), precision)
    assert there[0].device.type == "cuda" and there[0].dtype == torch.float32
    of_images, of_gradients = PRECISIONS[precision]
    assert apart(there[0], exact[0]) < of_images and apart(there[1], exact[1]) < of_gradients


@pytest.mark.parametrize("name", ["pocket-vqgan"])
def test_other_generators(name: str) -> None:
    generator = load_generator(name).freeze()
    latents = some_ws(generator)
    exact = image_and_gradient(generator, latents)
    there = image_and_gradient(load_generator(name).to(DEVICE).freeze(), latents.to(DEVICE))
    assert apart(there[0], exact[0]) < 1e-4 and apart(there[1], exact[1]) < 1e-3


def test_feature_maps_that_are_computed_again_change_nothing() -> None:
    latents = some_ws(load_generator("pocket"))
    kept, again = (
        image_and_gradient(
            load_generator("pocket").to(DEVICE).freeze(recompute_from=size), latents.to(DEVICE)
        )
        for size in (None, 32)
    )
    assert apart(again[0], kept[0]) < 1e-6 and apart(again[1], kept[1]) < 1e-5


def ears() -> list[str]:
    return ["pocket", STRONG_EAR] if choose_ear(AUTO) == STRONG_EAR else ["pocket"]


@pytest.mark.parametrize("name", ears())
def test_voices_sound_the_same(name: str) -> None:
    random = torch.Generator().manual_seed(1)
    voices = [0.1 * torch.randn(length, generator=random) for length in (16_000, 24_000, 16_000)]
    here = load_audio_embedder(name).embed_audio(voices)
    there = load_audio_embedder(name, device="cuda").embed_audio([voice.to(DEVICE) for voice in voices])
    assert there.device.type == "cuda"
    assert apart(there, here) < 1e-4


@pytest.mark.parametrize("name", ["pocket", "pocket-judge"])
def test_faces_and_texts_look_the_same(name: str) -> None:
    images = load_generator("pocket").synthesize(some_ws(load_generator("pocket")))
    texts = ["a photo of a woman", "a photo of a child"]
    here, there = (load_image_text_embedder(name, device=device) for device in ("cpu", "cuda"))
    assert apart(there.embed_image(images.to(DEVICE)), here.embed_image(images)) < 1e-4
    assert apart(there.embed_text(texts), here.embed_text(texts)) < 1e-4


def test_identities_are_the_same() -> None:
    images = load_generator("pocket").synthesize(some_ws(load_generator("pocket")))
    here, there = load_identity("pocket-identity"), load_identity("pocket-identity")
    assert apart(there.to(DEVICE).embed_identity(images.to(DEVICE)), here.embed_identity(images)) < 1e-4


def made(run: Path) -> tuple[Tensor, list[float]]:
    """All faces ``[clip, height, width, 3]`` of a run and their similarities, in the order of their names."""
    with (run / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["id"])
    faces = sorted((run / "images").glob("*.png"))
    assert len(faces) == len(rows) > 0
    pixels = np.stack([np.asarray(Image.open(face).convert("RGB")) for face in faces])
    return torch.from_numpy(pixels).float() / 255, [float(row["similarity_end"]) for row in rows]


@pytest.fixture(scope="module")
def on_a_cpu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run: Path = tmp_path_factory.mktemp("runs") / "cpu"
    assert main(words(run, "cpu")) == 0
    return run


def words(run: Path, accelerator: str, *more: str) -> list[str]:
    """The demo with eight clips of its two sexes."""
    start = ["fit", "--config", "demo.yaml", "--run", str(run), "--data.max_clips", "8"]
    return [*start, "--model.audio", "pocket", "--trainer.accelerator", accelerator, *more]


@pytest.mark.parametrize(
    ("more", "bound"),
    [
        ([], 0.004),
        (["--model.speed.precision", "tfloat32"], 0.02),
        (["--model.speed.precision", "bfloat16"], 0.03),
        (["--model.speed.precision", "float16"], 0.02),
        (["--model.speed.recompute_from", "64"], 0.004),
        (["--data.cohort_size", "auto"], 0.004),
    ],
    ids=["as-it-is", "tfloat32", "bfloat16", "float16", "recomputed", "auto"],
)
def test_a_run_draws_the_faces_that_a_cpu_draws(
    more: list[str], bound: float, on_a_cpu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(words(run, "gpu", *more)) == 0
    (faces, similarities), (others, those) = made(run), made(on_a_cpu)
    assert similarities == pytest.approx(those, abs=bound)
    assert (faces - others).abs().mean() < bound
    assert main(["verify", str(run)]) == 0
    assert main(words(run, "gpu", *more)) == 0
    assert "8 faces are there already" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["true", "cuda-graphs"])
def test_compiled_steps_draw_them_too(how: str, on_a_cpu: Path, tmp_path: Path, repository: Path) -> None:
    """In a process of its own: checked shapes cannot be compiled."""
    run = tmp_path / "run"
    command = words(run, "gpu", "--model.speed.compile", how)
    ended = subprocess.run(
        [sys.executable, "-m", "stylewav_pl", *command], cwd=repository, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    (faces, similarities), (others, those) = made(run), made(on_a_cpu)
    assert similarities == pytest.approx(those, abs=0.004)
    assert (faces - others).abs().mean() < 0.004


def test_the_same_command_gives_the_same_faces(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for run in (one, other):
        assert main(words(run, "gpu")) == 0
    faces = [[face.read_bytes() for face in sorted((run / "images").iterdir())] for run in (one, other)]
    assert faces[0] == faces[1]


def test_a_face_of_one_voice() -> None:
    """The second finds its networks on another device."""
    time = torch.arange(32_000) / 16_000
    voice = (0.1 * torch.sin(2 * torch.pi * 120 * time) * (1 + torch.sin(9 * time))).numpy()
    here, there = (
        generate(voice, sample_rate=16_000, audio_encoder="pocket", device=device)
        for device in ("cpu", "cuda")
    )
    assert isinstance(here, Face) and isinstance(there, Face)
    assert there.similarity == pytest.approx(here.similarity, abs=0.004)


@pytest.mark.parametrize(
    "part",
    ["faces --scale 0.0002", "adversarial --steps 2", "vqgan --steps 2", "prior --steps 2 --samples 64"],
)
def test_networks_learn(part: str, tmp_path: Path) -> None:
    assert main(["pocket", "train", *part.split(), "-o", str(tmp_path), "--device", "cuda"]) == 0
    assert list(tmp_path.rglob("*.safetensors"))
