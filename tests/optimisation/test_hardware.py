"""What a machine can do: precisions, and memory that stays with the process. What compiles is in
test_compilation.py."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from one_cohort import fit, optimise

from stylewav_pl.cli import main
from stylewav_pl.embedders.linear import LinearImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import LinearGenerator
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation import hardware
from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.latents import W
from stylewav_pl.optimisation.rendering import Renderer

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none

PAGES = """
import resource, sys, torch
from stylewav_pl.optimisation.hardware import keep_freed_memory

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = new_pages()
assert keep_freed_memory()
new_pages()
print(new_pages(), given_back)
"""


def test_a_process_that_keeps_its_memory_touches_new_pages_less_often(repository: Path) -> None:
    if hardware.platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    said = subprocess.check_output([sys.executable, "-c", PAGES], cwd=repository, text=True)
    kept, given_back = map(int, said.split())
    assert kept < given_back / 10


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.platform, "libc_ver", lambda: ("", ""))
    assert not hardware.keep_freed_memory()


@pytest.mark.parametrize("precision", ["tfloat32", "float16"])
def test_precisions_of_gpus_are_refused_on_a_cpu(precision: str) -> None:
    with pytest.raises(ConfigError, match="is for GPUs"):
        fit(["a"], speed=Speed(precision))


def test_bfloat16_is_for_cpus_that_compute_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for supported in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda supported=supported: supported)
        assert ("bfloat16" in hardware.cpu_precisions()) == supported
    with pytest.raises(ConfigError, match="Use float32 here"):
        hardware.check_precision("bfloat16", torch.device("cpu"))
    hardware.check_precision("bfloat16", torch.device("cuda"))


def test_a_run_in_bfloat16_ends_near_that_in_float32() -> None:
    if "bfloat16" not in hardware.cpu_precisions():
        pytest.skip("This CPU does not compute in bfloat16.")
    exact, reduced = (
        optimise(StyleWav.from_sources(cohort_size=2, speed=Speed(name)), ["a", "b"])
        for name in ("float32", "bfloat16")
    )
    assert reduced.images.dtype == torch.float32
    assert not torch.equal(reduced.images, exact.images)
    assert reduced.curves[:, 0] == pytest.approx(exact.curves[:, 0].tolist(), abs=0.01)
    assert (reduced.curves[:, -1] > exact.curves[:, -1] - 0.05).all(), "no worse; the ways there differ"


def test_a_precision_that_is_refused_leaves_no_run_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["fit", "--config", "demo.yaml", "--run", str(run), "--data.max_clips", "2"]
    assert main([*words, "--trainer.accelerator", "cpu", "--model.speed.precision", "float16"]) == 2
    assert "float32" in capsys.readouterr().err
    assert not (run / "config.yaml").exists()


class WatchedGenerator(LinearGenerator):
    """Keeps the gradient that arrives at its images."""

    arrived: torch.Tensor

    def synthesize(self, ws_or_styles, noise="const", resolution=None):
        images = super().synthesize(ws_or_styles, noise, resolution)
        images.register_hook(lambda gradient: setattr(self, "arrived", gradient))
        return images


def test_gradients_inside_a_generator_in_float16_are_larger_and_outside_the_same() -> None:
    generator = WatchedGenerator()
    inside, outside = [], []
    for precision in ("float32", "float16"):
        latents = torch.ones(2, generator.w_dim, requires_grad=True)
        renderer = Renderer(generator, LinearImageTextEmbedder(), W(), precision=precision)
        renderer.render(latents).square().mean().backward()
        inside.append(generator.arrived)
        outside.append(latents.grad)
    assert torch.equal(inside[1], inside[0] * generator.resolution**2 / 256)
    torch.testing.assert_close(outside[1], outside[0], rtol=1e-6, atol=0)
