"""The latent space of a VQGAN: grids whose nearest codes are rendered."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from slow_vqgan import vqgan_state, write_checkpoint

from stylewav_pl.cli import main
from stylewav_pl.embedders import LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import LinearGenerator, load_generator
from stylewav_pl.optimisation.inversion import invert
from stylewav_pl.optimisation.latent_files import StoredLatent, as_latent
from stylewav_pl.optimisation.latents import Codes, W
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.pictures.images import from_picture


@pytest.fixture
def path(tmp_path):
    write_checkpoint(tmp_path / "last.ckpt", vqgan_state())
    (tmp_path / "model.yaml").write_text("model: {params: {ddconfig: {resolution: 8}}}", "utf-8")
    return tmp_path / "last.ckpt"


@pytest.fixture
def generator(path):
    return load_generator(path)


def test_it_renders_what_w_renders(generator):
    w = generator.map(torch.randn(3, generator.z_dim))
    grids = Codes().from_w(w, generator)
    assert grids.shape == (3, 5, 4, 4)
    images = [
        generator.synthesize(space.expand(one, generator)) for space, one in ((W(), w), (Codes(), grids))
    ]
    assert torch.equal(*images)
    assert Codes().metadata(generator) == {"space": "codes", "shape": "5,4,4"}


def test_it_starts_at_the_mean_of_all_codes(generator):
    start = Codes().start(generator)
    expected = generator.codebook.weight.mean(dim=0)
    torch.testing.assert_close(start, expected[:, None, None].expand(5, 4, 4))


def test_a_step_beyond_the_codebook_is_taken_back(generator):
    renderer = Renderer(generator, LinearImageTextEmbedder(), Codes())
    latents = 100 * torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    before = latents.clone()
    renderer.constrain(latents)
    book = generator.codebook.weight
    for entry in range(5):
        least, most = book[:, entry].min(), book[:, entry].max()
        assert torch.equal(latents[:, entry], before[:, entry].clamp(least, most))
    free = Renderer(LinearGenerator(), LinearImageTextEmbedder(), W())
    untouched = before.clone()
    free.constrain(untouched)
    assert torch.equal(untouched, before)


def test_another_generator_is_refused_by_name():
    with pytest.raises(ConfigError, match="Codes is that of a VQGAN, the generator is a LinearGenerator"):
        Codes().start(LinearGenerator())


def test_a_grid_of_a_file_is_taken(generator, tmp_path):
    grid = torch.randn(5, 4, 4)
    for values in (grid, grid[None], grid.flatten()):
        stored = StoredLatent(tmp_path / "x", values, {})
        assert torch.equal(as_latent(stored, Codes(), generator), grid)


def test_a_voice_moves_codes_within_the_codebook(path, tmp_path):
    """The loop of VQGAN-CLIP, from a sound to a picture."""
    voices = '[{"class_path": "BuiltinVoices", "init_args": {"per_sex": 1}}]'
    words = [
        *("--config", "demo.yaml", "--data.sources", voices, "--trainer.accelerator", "cpu"),
        *("--model.generator", str(path), "--model.latent_space", "Codes"),
        *(
            "--model.start",
            '{"truncation": 1.0, "prior": null}',
            "--model.num_steps",
            "3",
            "--model.frame_steps",
            "[0]",
        ),
        *("--model.objective", '{"distance": "spherical", "follow": "all"}', "--model.schedule", "Constant"),
        *("--model.optimizer", '{"class_path": "torch.optim.Adam", "init_args": {"lr": 5.0}}'),
    ]
    assert main(["fit", *words, "--run", str(tmp_path / "run")]) == 0
    latents = sorted((tmp_path / "run" / "latents").glob("*.safetensors"))
    assert len(latents) == 2
    least, most = load_generator(path).bounds
    for file in latents:
        latent = load_file(file)["latent"]
        assert latent.shape == (5, 4, 4)
        assert (latent >= least).all() and (latent <= most).all()
        assert (latent == least).any() or (latent == most).any()  # a learning rate of 5 leads beyond
    assert json.loads((tmp_path / "run" / "manifest.json").read_text("utf-8"))


def test_a_photo_is_encoded_not_searched_for(generator):
    photos = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = invert(photos, [0, 1], Codes(), generator, LinearImageTextEmbedder())
    assert torch.equal(found.latents, generator.encode(photos))
    assert torch.equal(found.images, generator.synthesize(generator.encode(photos).flatten(1)))
    alone = invert(photos[1:], [1], W(), generator, LinearImageTextEmbedder())
    assert torch.equal(alone.latents, found.latents[1:].flatten(1))


def test_a_run_may_begin_at_a_picture(path, tmp_path):
    picture = Image.new("RGB", (8, 8), (200, 120, 40))
    picture.save(tmp_path / "photo.png")
    options = ["--config", "demo.yaml", "--model.generator", str(path), "--model.latent_space", "Codes"]
    start = '{"prior": null, "truncation": 0, "photo": "' + str(tmp_path / "photo.png") + '"}'
    voices = '[{"class_path": "BuiltinVoices", "init_args": {"per_sex": 1}}]'
    options += ["--model.start", start, "--model.num_steps", "1", "--data.sources", voices]
    options += ["--model.optimizer.init_args.lr", "1e-9"]  # it stays where it begins
    options += ["--model.objective.follow", "all", "--clip_score", "{prompts: {}}"]
    options += ["--trainer.accelerator", "cpu", "--data.num_workers", "0"]
    assert main(["fit", *options, "--run", str(tmp_path / "run")]) == 0
    generator = load_generator(path)
    begun = generator.encode(from_picture(picture)[None])[0]
    for file in (tmp_path / "run" / "latents").iterdir():
        torch.testing.assert_close(load_file(file)["latent"], begun, atol=1e-6, rtol=0)
