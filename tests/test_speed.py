"""The settings that save time and memory, through a real trainer: what they change, and what they must not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from stylewav_pl.footprint import (
    LARGEST_COHORT,
    OVERHEAD,
    RATES,
    cohort_that_fits,
    compilation_pays,
    flops,
    peak_bytes,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from stylewav_pl import footprint, hardware
from stylewav_pl.cli import main
from stylewav_pl.commands import first_start
from stylewav_pl.commands.experiment import FORCED
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.embedders.preprocess import reference_matrix
from stylewav_pl.evaluation.results import read_results
from stylewav_pl.generators import LinearGenerator, StyleGAN2
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.convergence import Convergence, EarlyStop
from stylewav_pl.types import Clip, ClipBatch, CohortResult, ConfigError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers.*"
)  # a list of cohorts needs none


class Kept(Callback):
    result: CohortResult

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.result = outputs["result"]


class Cohorts(list):
    """What the trainer takes for a data loader."""


class CountingGenerator(LinearGenerator):
    """Remembers the resolution of every image that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def synthesize(self, ws_or_styles, noise="const", resolution=None):
        self.asked.append(resolution or self.resolution)
        return super().synthesize(ws_or_styles, noise, resolution)


class CountingGuide(LinearImageTextEmbedder):
    calls = 0

    def embed_image(self, images):
        self.calls += 1
        return super().embed_image(images)


class CountingAudio(LinearAudioEmbedder):
    calls = 0

    def embed_audio(self, waveforms):
        self.calls += 1
        return super().embed_audio(waveforms)


def waveform(name: str) -> Tensor:
    random = torch.Generator().manual_seed(sum(map(ord, name)))
    return (torch.rand(800, generator=random) - 0.5) * torch.linspace(0, 1, 800).mul(
        6.28 * (1 + sum(map(ord, name)) % 7)
    ).cos()


def fit(names: Sequence[str | None], **settings) -> tuple[CohortResult, StyleWav]:
    model = StyleWav(
        CountingGenerator(), CountingGuide(), CountingAudio(), cohort_size=len(names), **settings
    )
    return optimise(model, names), model


def optimise(model: StyleWav, names: Sequence[str | None]) -> CohortResult:
    slots = tuple(name and Clip(name, f"{name}.wav") for name in names)
    batch = ClipBatch(0, slots, tuple(waveform(name) for name in names if name))
    kept = Kept()
    Trainer(accelerator="cpu", devices=1, logger=False, callbacks=[kept], **FORCED).fit(
        model, Cohorts([batch])
    )
    return kept.result


# coarser steps


def test_coarse_steps_come_first_and_the_end_is_at_full_resolution() -> None:
    result, model = fit(
        ["a", "b"], num_steps=10, synthesis_resolution=4, full_steps=3, frame_steps=(0, 9, 10)
    )
    assert model.generator.asked == [4, 8, *[4] * 6, *[8] * 3, 8]  # one more at 8 px for the frame of step 0
    assert result.curves.shape == (2, 11)
    assert result.images.shape[-1] == result.frames.shape[-1] == 8 and result.starts.shape[-1] == 4
    torch.testing.assert_close(
        result.curves[:, -1], (model.guide.embed_image(result.images) * result.targets).sum(dim=1)
    )
    torch.testing.assert_close(result.images, LinearGenerator().synthesize(result.latents))
    assert (result.curves[:, -1] > result.curves[:, 0] + 0.2).all()


def test_the_full_resolution_as_coarse_one_changes_nothing() -> None:
    exact, _ = fit(["a", "b"])
    same, _ = fit(["a", "b"], synthesis_resolution=8)
    few, _ = fit(["a", "b"], synthesis_resolution=4, full_steps=10)
    assert torch.equal(exact.latents, same.latents) and torch.equal(exact.latents, few.latents)


@pytest.mark.parametrize(
    "settings", [{"synthesis_resolution": 3}, {"synthesis_resolution": 16}, {"full_steps": -1}]
)
def test_resolutions_that_cannot_be_are_refused(settings) -> None:
    with pytest.raises(ConfigError, match=r"Expected .*found"):
        StyleWav(
            LinearGenerator(), LinearImageTextEmbedder(), LinearAudioEmbedder(), cohort_size=1, **settings
        )


# early stop


def test_a_clip_has_converged_after_patience_without_a_rise() -> None:
    watch = Convergence(EarlyStop(patience=2, min_gain=0.1), idle=torch.tensor([False, False, True]))
    for similarities in ([0.0, 0.0, 0.0], [0.05, 0.2, 0.0]):
        watch.observe(torch.tensor(similarities))
    assert watch.converged.tolist() == [False, False, True]
    watch.observe(torch.tensor([0.09, 0.25, 0.0]))
    assert watch.converged.tolist() == [True, False, True] and not watch.over
    watch.observe(torch.tensor([0.9, 0.25, 0.0]))
    assert watch.over, "what has converged stays so"
    watch.restart()
    assert watch.converged.tolist() == [False, False, True]


def test_without_a_rule_nothing_converges() -> None:
    watch = Convergence(None, idle=torch.tensor([True]))
    watch.observe(torch.tensor([0.0]))
    assert not watch.over


@pytest.mark.parametrize("values", [{"patience": 0}, {"min_gain": -0.1}])
def test_a_rule_that_cannot_be_is_refused(values) -> None:
    with pytest.raises(ConfigError, match="Expected early_stop"):
        EarlyStop(**values)


def test_converged_clips_stay_as_they_are_and_end_their_cohort() -> None:
    result, model = fit(
        ["a", "b", None], num_steps=300, early_stop=EarlyStop(patience=3, min_gain=0.01), frame_steps=(0, 290)
    )
    steps = len(model.generator.asked) - 1
    assert 3 < steps < 200
    assert (result.curves[:, steps:] == result.curves[:, -1:]).all() or torch.allclose(
        result.curves[:, steps:-1], result.curves[:, -1:], atol=1e-6
    )
    assert result.curves.shape == (2, 301) and result.frames.shape[1] == 2
    torch.testing.assert_close(result.images, LinearGenerator().synthesize(result.latents))


def test_a_clip_stops_whatever_its_neighbours_do() -> None:
    rule = EarlyStop(patience=3, min_gain=0.01)
    together, _ = fit(["a", "b", "c"], num_steps=100, early_stop=rule)
    for row, name in enumerate("abc"):
        alone, _ = fit([name], num_steps=100, early_stop=rule)
        torch.testing.assert_close(together.latents[row], alone.latents[0], atol=1e-5, rtol=1e-4)


# counts instead of times


def test_every_network_is_called_as_often_as_needed() -> None:
    _, model = fit(["a", "b"], num_steps=7)
    assert (len(model.generator.asked), model.guide.calls, model.audio.calls) == (8, 8, 1)


CHANNELS = {4: 8, 8: 8, 16: 6, 32: 4}


def frozen() -> StyleGAN2:
    torch.manual_seed(0)
    return StyleGAN2(CHANNELS, z_dim=6, w_dim=9, mapping_depth=2).freeze()


def test_the_backward_pass_costs_no_more_than_the_forward_one() -> None:
    """A gradient of a weight would double it; the sum is that of the convolutions, counted by hand."""
    generator, w = frozen(), torch.randn(2, 9, requires_grad=True)
    with FlopCounterMode(display=False) as forward:
        image = generator.synthesize(w)
    with FlopCounterMode(display=False) as backward:
        image.sum().backward()
    widths = list(CHANNELS.values())
    plain = sum(2 * 9 * width**2 * size**2 for size, width in CHANNELS.items())
    doubling = sum(
        2 * 9 * before * width * (size // 2) ** 2
        for before, width, size in zip(widths, widths[1:], list(CHANNELS)[1:], strict=False)
    )
    filters = sum(2 * 16 * width * size**2 for size, width in list(CHANNELS.items())[1:])
    assert forward.get_total_flops() / 2 == pytest.approx(
        plain + doubling + filters, rel=0.15
    )  # colours and styles come on top
    assert backward.get_total_flops() < 1.15 * forward.get_total_flops()


class Operations(TorchDispatchMode):
    """Counts operations, and those that make a map of the largest size."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest, self.names, self.maps = largest, [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.names.append(func.__name__)
        aliases = any(result.alias_info for result in func._schema.returns)
        self.maps += isinstance(made, Tensor) and made.numel() == self.largest and not aliases
        return made


def test_the_numbers_of_convolutions_and_of_large_maps_stay() -> None:
    generator, w = frozen(), torch.randn(2, 9, requires_grad=True)
    largest = 2 * CHANNELS[32] * 32**2
    with Operations(largest) as forward:
        image = generator.synthesize(w)
    convolutions = sum(name.startswith("convolution.") for name in forward.names)
    assert convolutions == 7 + 3 + 3, (
        "seven layers, a filter for each doubled one, and the colours' own doubling"
    )
    assert forward.maps <= 5
    with Operations(largest) as backward:
        image.sum().backward()
    assert backward.maps <= 9
    assert not any("copy" in name for name in backward.names)


# memory


def test_a_process_that_keeps_its_memory_touches_new_pages_less_often() -> None:
    code = """
import resource, sys, torch
from stylewav_pl.optimisation.hardware import keep_freed_memory
assert sys.argv[1] == "no" or keep_freed_memory()
for _ in range(10):
    torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    if hardware.platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    root = Path(__file__).resolve().parents[1]
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", code, word], cwd=root)) for word in ("yes", "no")
    )
    assert kept < given_back / 10


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.platform, "libc_ver", lambda: ("", ""))
    assert not hardware.keep_freed_memory()


def test_free_memory_knows_containers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    for name, text in (("limit", "5000"), ("used", "2000"), ("none", "max")):
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(hardware, "CONTAINER_FILES", (str(tmp_path / "limit"), str(tmp_path / "used")))
    assert hardware.free_memory(cpu) == 3000
    monkeypatch.setattr(hardware, "CONTAINER_FILES", (str(tmp_path / "none"), str(tmp_path / "used")))
    assert hardware.free_memory(cpu) > 1 << 24


@pytest.mark.parametrize("precision", ["tfloat32", "float16"])
def test_precisions_of_gpus_are_refused_on_a_cpu(precision: str) -> None:
    with pytest.raises(ConfigError, match="is for GPUs"):
        fit(["a"], precision=precision)


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
        optimise(StyleWav.from_sources(cohort_size=2, precision=name), ["a", "b"])
        for name in ("float32", "bfloat16")
    )
    assert reduced.images.dtype == torch.float32
    assert not torch.equal(reduced.images, exact.images)
    assert reduced.curves[:, 0] == pytest.approx(exact.curves[:, 0].tolist(), abs=0.01)
    assert reduced.curves[:, -1] == pytest.approx(exact.curves[:, -1].tolist(), abs=0.03)


def test_a_precision_that_is_refused_leaves_no_run_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "fit",
        "--config",
        "demo.yaml",
        "--run",
        str(tmp_path / "run"),
        "--data.max_clips",
        "2",
        "--trainer.accelerator",
        "cpu",
    ]
    assert main([*words, "--model.precision", "float16"]) == 2
    assert "float32" in capsys.readouterr().err
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.slow
def test_a_cohort_chosen_from_the_memory_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "fit",
        "--config",
        "demo.yaml",
        "--run",
        str(tmp_path / "run"),
        "--data.max_clips",
        "3",
        "--trainer.accelerator",
        "cpu",
    ]
    words += ["--data.num_workers", "0", "--model.num_steps", "1", "--data.cohort_size", "auto"]
    assert main(words) == 0
    assert "Cohorts of 3" in capsys.readouterr().out
    assert len((tmp_path / "run" / "plan.jsonl").read_text().splitlines()) == 1
    assert main(words) == 0
    assert "3 faces are there already" in capsys.readouterr().out


def test_live_bytes_are_those_that_can_be_counted_by_hand() -> None:
    def step(latents: Tensor) -> Tensor:
        return (latents * 2).sum(dim=1)

    one, three = (peak_bytes(step, torch.zeros(1000), clips) for clips in (1, 3))
    assert 4000 <= one <= 3 * 4000
    assert three == pytest.approx(3 * one, rel=0.02)


def test_a_cohort_is_bounded_by_memory_clips_and_reason() -> None:
    def step(latents: Tensor) -> Tensor:
        return (latents * 2).sum(dim=1)

    one = peak_bytes(step, torch.zeros(1000), 1)
    room = int(10.5 * one * OVERHEAD["cpu"])
    assert cohort_that_fits(step, torch.zeros(1000), room, 1000) == pytest.approx(10, abs=1)
    assert cohort_that_fits(step, torch.zeros(1000), room, 4) == 4
    assert cohort_that_fits(step, torch.zeros(1000), 0, 4) == 1
    assert cohort_that_fits(step, torch.zeros(1000), 1 << 40, 10**6) == LARGEST_COHORT


def test_a_model_tells_which_cohort_fits_and_takes_its_size() -> None:
    model = StyleWav.from_sources("linear", "linear", "linear", cohort_size="auto")
    assert len(model.latents) == 1
    assert model.cohort_that_fits(1 << 30, 12, "cpu") == 12
    model.resize(12)
    assert model.latents.shape == (12, 16)


def test_operations_are_those_that_can_be_counted_by_hand() -> None:
    weight = torch.randn(30, 20)

    def step(latents: Tensor) -> Tensor:
        return (latents @ weight).sum(dim=1)

    assert flops(step, torch.zeros(30)) == 2 * 2 * 30 * 20
    exact, coarse = (
        StyleWav.from_sources(num_steps=10, full_steps=2, synthesis_resolution=size).operations()
        for size in (None, 32)
    )
    assert 0.3 * exact < coarse < 0.9 * exact


def test_compilation_pays_in_long_runs_alone() -> None:
    enough = round(footprint.PAYS_AFTER_SECONDS * RATES["cpu"])
    assert compilation_pays(enough + enough // 10, "cpu", 1)
    assert not compilation_pays(enough - enough // 10, "cpu", 1)
    assert not compilation_pays(enough + enough // 10, "cpu", 2)
    assert not compilation_pays(enough + enough // 10, "cuda", 1)
    assert not compilation_pays(10**30, "unheard-of", 1)


SHORT = [
    "--data.max_clips",
    "2",
    "--trainer.accelerator",
    "cpu",
    "--data.num_workers",
    "0",
    "--model.num_steps",
    "3",
]


LONG_RUN = """
import sys
from stylewav_pl import cli, footprint
footprint.PAYS_AFTER_SECONDS = float(sys.argv[1])
sys.exit(cli.main(sys.argv[2:]))
"""


def start(run: Path, pays_after: float, *options: str) -> str:
    """What a run says, in a process of its own: the checks of types at run time, which tests turn on, cannot be compiled."""
    script = run.parent / "long_run.py"  # a file, because the launcher starts it again
    script.write_text(LONG_RUN)
    words = [
        sys.executable,
        script,
        str(pays_after),
        "fit",
        "--config",
        "demo.yaml",
        *SHORT,
        "--run",
        str(run),
        *options,
    ]
    return subprocess.run(
        words, check=True, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1]
    ).stdout


def similarities(run: Path) -> list[float | None]:
    return [row.similarity_end for row in read_results(run)]


def latents_of(run: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((run / "latents").iterdir())]


def compiles(run: Path) -> bool:
    decided: bool = json.loads((run / "manifest.json").read_text())["compile"]
    return decided


@pytest.mark.slow
def test_a_long_run_is_compiled_and_ends_as_it_would_have(tmp_path: Path) -> None:
    if obstacle := hardware.why_nothing_compiles(torch.device("cpu")):
        pytest.skip(obstacle)
    eager, fast = tmp_path / "eager", tmp_path / "fast"
    assert "Steps are" not in start(eager, 3600)
    assert "Steps are compiled" in start(fast, 0)
    assert (compiles(eager), compiles(fast)) == (False, True)
    assert similarities(fast) == pytest.approx(similarities(eager), abs=1e-3)
    made = latents_of(fast)
    assert made != latents_of(eager)  # sums in another order: it was really compiled
    shutil.rmtree(fast / "journal")
    shutil.rmtree(fast / "latents")
    assert "Steps are" not in start(
        fast, 1e9
    )  # what the first start has decided holds for the steps of a later one
    assert latents_of(fast) == made


@pytest.mark.slow
def test_processes_share_what_the_first_has_decided(tmp_path: Path) -> None:
    if obstacle := hardware.why_nothing_compiles(torch.device("cpu")):
        pytest.skip(obstacle)
    said = start(
        tmp_path / "two", 0, "--trainer.devices", "2", "--data.cohort_size", "auto", "--model.num_steps", "1"
    )
    assert said.count("Steps are compiled") == 1 and "Cohorts of 1" in said
    assert compiles(tmp_path / "two") and len(latents_of(tmp_path / "two")) == 2


def test_a_machine_that_cannot_compile_says_so_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(function: Any, how: bool | str) -> Any:
        raise RuntimeError("No working C++ compiler found\nand more")

    monkeypatch.setattr(footprint, "PAYS_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(hardware, "compiled", fails)
    assert main(["fit", "--config", "demo.yaml", *SHORT, "--run", str(tmp_path / "run")]) == 0
    assert (
        "Steps are not compiled, though it would pay: No working C++ compiler found"
        in capsys.readouterr().out
    )
    assert compiles(tmp_path / "run") is False


def test_a_run_begun_with_compiled_steps_needs_a_machine_that_can(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    words = ["fit", "--config", "demo.yaml", *SHORT, "--run", str(tmp_path / "run")]
    monkeypatch.setattr(first_start, "why_nothing_compiles", lambda device: "no compiler")
    assert main(words) == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    (tmp_path / "run" / "manifest.json").write_text(json.dumps({**manifest, "compile": True}))
    assert main(words) == 0, "nothing is left to do"
    shutil.rmtree(tmp_path / "run" / "journal")
    assert main(words) == 2
    assert "cannot compile: no compiler" in capsys.readouterr().err


def test_counting_leaves_nothing_without_numbers_behind() -> None:
    reference_matrix.cache_clear()
    model = StyleWav.from_sources(cohort_size=2, num_steps=2, preprocess="reference")
    assert model.operations() > 0
    reference_matrix.cache_clear()
    assert model.cohort_that_fits(1 << 34, 2, "cpu") == 2
    result = optimise(model, ["a", "b"])
    assert result.images.isfinite().all()


class LooksAtValues(CountingGuide):
    def embed_image(self, images):
        return super().embed_image(images if images.isfinite().all() else images * 0)


def test_networks_that_look_at_values_are_not_counted_but_work() -> None:
    model = StyleWav(LinearGenerator(), LooksAtValues(), LinearAudioEmbedder(), cohort_size=1)
    for count in (model.operations, lambda: model.cohort_that_fits(1 << 30, 2, "cpu")):
        with pytest.raises(ConfigError, match="cannot be counted beforehand"):
            count()
    assert optimise(model, ["a"]).images.isfinite().all()


def test_a_run_that_cannot_be_counted_is_not_compiled(tmp_path: Path, capsys, monkeypatch) -> None:
    def fails(self: StyleWav) -> int:
        raise ConfigError("A network looks at values.")

    monkeypatch.setattr(StyleWav, "operations", fails)
    assert main(["fit", "--config", "demo.yaml", *SHORT, "--run", str(tmp_path / "run")]) == 0
    assert "Steps are not compiled. A network looks at values." in capsys.readouterr().out
    assert not compiles(tmp_path / "run")
