"""The training of the pocket generator, in miniature, and what the shipped weights reach."""

import pytest
import torch
from safetensors.torch import load_file

from stylewav_pl.cli import main
from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import StyleGAN, load_generator
from stylewav_pl.pocket.faces import Z_DIM, render
from stylewav_pl.training import faces, faces_evaluation
from stylewav_pl.training.faces_evaluation import evaluate, linear_r2, table
from stylewav_pl.training.muon import KernelMuon, orthogonalised


@pytest.fixture
def tiny(monkeypatch):
    """A few iterations of a small network."""
    monkeypatch.setattr(faces, "CHANNELS", {4: 8, 8: 8, 16: 8})
    monkeypatch.setattr(faces, "PHASES", (faces.ResolutionPhase(8, 6), faces.ResolutionPhase(16, 4)))
    monkeypatch.setattr(faces, "STYLEGAN_CHANNELS", {4: 8, 8: 8, 16: 8})
    monkeypatch.setattr(faces, "STYLEGAN_ITERATIONS", 4)
    monkeypatch.setattr(faces, "STYLEGAN_BATCH", 4)
    monkeypatch.setattr(faces, "MAPPING_ITERATIONS", 5)
    monkeypatch.setattr(faces, "MAPPING_BATCH", 16)
    monkeypatch.setattr(faces, "BATCH", 4)
    monkeypatch.setattr(faces, "MEAN_SAMPLES", 256)


def test_training_is_seeded(tiny, tmp_path):
    paths = [tmp_path / name for name in ("first", "again", "other")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        faces.train(path, seed=seed, threads=1, progress=False)
    first, again, other = (load_file(path)["convolutions.0.weight"] for path in paths)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "again",
        "first",
        "other",
    ]  # no state is left behind


def test_an_interrupted_training_ends_like_an_uninterrupted_one(tiny, tmp_path, monkeypatch):
    faces.train(tmp_path / "whole", threads=1, progress=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        step = faces.FaceTraining.step

        def interrupted(self, seed, iteration, resolution, rate):
            if iteration == 7:
                raise KeyboardInterrupt
            return step(self, seed, iteration, resolution, rate)

        patch.setattr(faces.FaceTraining, "step", interrupted)
        faces.train(tmp_path / "parts", threads=1, save_every=3, progress=False)
    assert (tmp_path / "parts.state").is_file()
    load_generator(tmp_path / "parts")  # unfinished, but usable
    faces.train(tmp_path / "parts", threads=1, save_every=3, progress=False)
    whole, parts = load_file(tmp_path / "whole"), load_file(tmp_path / "parts")
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, msg=name)


def test_the_mean_of_w_is_measured(tiny, tmp_path):
    faces.train(tmp_path / "file", threads=1, progress=False)
    generator = load_generator(tmp_path / "file")
    w = generator.map(faces.noise_for(5, 0, 2000, torch.device("cpu")))
    assert (generator.w_mean - w.mean(dim=0)).abs().max() < 0.25 * w.std(dim=0).max()


def test_mapping_learns_the_drawings(tiny):
    untaught = faces.pretrain_mapping(faces.build(0), 0, 1, progress=False)
    taught = faces.pretrain_mapping(faces.build(0), 0, 150, progress=False)
    assert taught < 0.8 * untaught


@pytest.mark.parametrize("architecture", ["stylegan", "stylegan2"])
def test_images_are_learned(tiny, architecture):
    network, average = (faces.build(0, architecture) for _ in range(2))
    training = faces.FaceTraining(network, average, faces.make_optimisers(network))
    losses = [training.step(0, iteration, 16, 1.0) for iteration in range(40)]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_all_of_stylegan_learns_but_the_strength_of_noise(tiny):
    network, average = (faces.build(0, "stylegan") for _ in range(2))
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    training = faces.FaceTraining(network, average, faces.make_optimisers(network))
    training.step(0, 0, 16, 1.0)
    still = {name for name, parameter in network.named_parameters() if torch.equal(parameter, before[name])}
    assert still == {f"layers.{index}.noise_strength" for index in range(6)}


def interrupt(*_: object) -> None:
    """Ends like Ctrl+C."""
    raise KeyboardInterrupt


def test_stylegan_has_a_command_and_goes_on_after_an_interruption(tiny, tmp_path, monkeypatch, capsys):
    words = ["pocket", "train", "stylegan", "--threads", "1", "-o"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(faces.FaceTraining, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            faces.train(
                tmp_path / "parts" / "stylegan.safetensors",
                architecture="stylegan",
                threads=1,
                save_every=2,
                progress=False,
            )
    assert main([*words, str(tmp_path / "parts")]) == 0
    whole, parts = (tmp_path / name / "stylegan.safetensors" for name in ("whole", "parts"))
    for name, tensor in load_file(whole).items():
        torch.testing.assert_close(load_file(parts)[name], tensor, msg=name)
    assert isinstance(load_generator(whole), StyleGAN)
    monkeypatch.setattr(faces_evaluation, "STYLEGAN_CHANNELS", faces.STYLEGAN_CHANNELS)
    capsys.readouterr()
    assert main(["pocket", "evaluate", "faces", "--weights", str(whole)]) == 0
    assert "PSNR at 16 px" in capsys.readouterr().out


def test_kernels_go_to_muon_and_every_parameter_has_one_optimiser(tiny):
    network = faces.build(0)
    muon, adam = faces.make_optimisers(network)
    kernels = [parameter for group in muon.param_groups for parameter in group["params"]]
    assert isinstance(muon, KernelMuon) and len(kernels) == len(network.convolutions)
    others = [parameter for group in adam.param_groups for parameter in group["params"]]
    assert (
        len(kernels) + len(others)
        == len(list(network.parameters()))
        == len({id(one) for one in [*kernels, *others]})
    )


def test_loss_is_zero_for_the_drawing_and_sees_edges():
    drawn = render(torch.randn(2, Z_DIM, generator=torch.Generator().manual_seed(0)), 32)
    assert faces.distillation_loss(drawn, drawn) == 0
    shifted = faces.distillation_loss(drawn + 0.1, drawn)  # 0.01 + 0.3 * 0.1 + 0 edges + 0.5 * 0.01
    torch.testing.assert_close(shifted, torch.tensor(0.045))
    stripes = 0.1 * (1 - 2 * (torch.arange(32) % 2)).float().expand_as(
        drawn
    )  # 0.01 + 0.03 + 0.3 * 0.2 along rows, nothing coarse
    torch.testing.assert_close(faces.distillation_loss(drawn + stripes, drawn), torch.tensor(0.1))


def test_muon_steps_are_orthogonal_with_the_asked_size():
    torch.manual_seed(0)
    for shape in ((6, 20), (20, 6)):
        singular = torch.linalg.svdvals(orthogonalised(torch.randn(*shape)))
        assert singular.min() > 0.6 and singular.max() < 1.3
    kernel = torch.nn.Parameter(torch.zeros(8, 4, 3, 3))
    kernel.grad = torch.randn_like(kernel)
    KernelMuon([kernel], lr=0.1).step()
    assert 0.07 < kernel.detach().square().mean().sqrt() < 0.12
    assert (kernel.detach() * kernel.grad).sum() < 0  # downhill


def test_linear_r2_knows_the_extremes():
    w = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    assert linear_r2(w, w @ torch.tensor([1.0, -2.0, 0.5]) + 3) == pytest.approx(1.0)
    assert abs(linear_r2(w, torch.randn(400, generator=torch.Generator().manual_seed(1)))) < 0.1


def test_shipped_weights_draw_like_the_renderer():
    result = evaluate("pocket", faces=64, traits_from=2000)
    assert result.psnr[128] >= 28.0
    assert min(result.r2["sex"], result.r2["age"]) > 0.95
    assert "PSNR at 128 px" in table(result)


def test_a_generator_of_another_size_is_not_compared(tmp_path):
    faces.StyleGAN2({4: 4, 8: 4}, z_dim=Z_DIM, w_dim=8, mapping_depth=1).to_file(tmp_path / "small")
    with pytest.raises(WeightsError, match=r"128 px.*found 8 px"):
        evaluate(tmp_path / "small")


@torch.no_grad()
def test_the_mean_face_of_the_shipped_weights_is_a_face():
    generator = load_generator("pocket")
    z = faces.noise_for(9, 0, 256, torch.device("cpu"))
    drawn, mean = render(z).mean(dim=0), generator.synthesize(generator.w_mean[None])[0]
    assert torch.nn.functional.mse_loss(mean, drawn) < 0.1  # near the average drawing,
    assert (
        mean.diff(dim=-1).abs().mean() > 1.2 * drawn.diff(dim=-1).abs().mean()
    )  # but with the edges of a single one


def test_only_a_generator_of_these_faces_is_evaluated():
    with pytest.raises(WeightsError, match="pocket train faces"):
        evaluate("linear")
