"""The launch examples: shell that parses, commands that the program understands, and real torchrun with two
nodes on one machine."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from stylewav_pl.commands.help import short_help
from stylewav_pl.errors import Stopped

REPOSITORY = Path(__file__).resolve().parent.parent
EVERY = sorted((REPOSITORY / "scripts" / "launch").iterdir())
EXAMPLES = [path for path in EVERY if path.suffix != ".yaml"]
CLOUDS = [path for path in EVERY if path.suffix == ".yaml"]

CONFIG = """
model: {{generator: linear, guide: linear, audio: linear, num_steps: 3}}
data: {{cohort_size: 1, num_workers: 0, sources: [{{class_path: Folder, init_args: {{path: {folder}}}}}]}}
trainer: {{accelerator: cpu}}
"""

# Stands in for a launcher: what it would have started is written down, and ends as the test wants.
STUB = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0")" "$@" >> "$CALLS"
exit "${{STATUS:-0}}"
"""


def test_there_is_an_example_for_each_way() -> None:
    assert [path.name for path in EXAMPLES] == ["single_machine", "slurm.sbatch", "torchrun"]
    assert [path.name for path in CLOUDS] == ["kuberay.yaml", "skypilot.yaml"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_parses_and_explains_itself(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert os.access(path, os.X_OK)
    assert path.name in path.read_text().split("set -", 1)[0], "the comment shows how to call it"


def called(path: Path, folder: Path, environment: dict[str, str], status: int = 0) -> tuple[int, list[str]]:
    """Exit code of an example, and the words that it passes to its launcher."""
    for name in ("stylewav-pl", "torchrun", "srun", "scontrol"):
        (folder / name).write_text(STUB.format())
        (folder / name).chmod(0o755)
    calls = folder / "calls"
    given = {
        **os.environ,
        **environment,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "STATUS": str(status),
    }
    ended = subprocess.run(
        ["bash", str(path), "demo.yaml", "runs/x", "--strict"], env=given, capture_output=True, text=True
    )
    return ended.returncode, calls.read_text().splitlines()


ENVIRONMENTS = {
    "single_machine": {"DEVICES": "2"},
    "torchrun": {"NODES": "2", "NODE": "1", "ADDRESS": "10.0.0.1", "PROCESSES": "4"},
    "slurm.sbatch": {
        "SLURM_NNODES": "2",
        "SLURM_NTASKS_PER_NODE": "4",
        "SLURM_JOB_ID": "17",
        "SLURM_CPUS_PER_TASK": "8",
    },
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_program_understands_the_command_of_an_example(path: Path, tmp_path: Path) -> None:
    from lightning.pytorch import Trainer

    from stylewav_pl.commands.arguments import config_names

    code, words = called(path, tmp_path, ENVIRONMENTS[path.name])
    assert code == 0
    options = words[words.index("fit") + 1 :]
    assert list(config_names(options)) == ["demo.yaml"]
    assert options[options.index("--run") + 1] == "runs/x" and options[-1] == "--strict"
    settings = {
        name.removeprefix("--trainer."): int(options[index + 1])
        for index, name in enumerate(options)
        if name.startswith("--trainer.")
    }
    assert Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        **{**settings, "devices": 1},
    )
    assert settings["devices"] == (2 if path.name == "single_machine" else 4)


@pytest.mark.parametrize(
    ("status", "requeued"), [(0, False), (1, False), (5, False), (75, True), (137, False)]
)
def test_the_slurm_job_goes_back_into_the_queue_after_a_signal_alone(
    tmp_path: Path, status: int, requeued: bool
) -> None:
    path = REPOSITORY / "scripts" / "launch" / "slurm.sbatch"
    code, words = called(path, tmp_path, ENVIRONMENTS[path.name], status)
    assert code == status
    assert ("scontrol" in words) == requeued
    if requeued:
        assert words[words.index("scontrol") :] == ["scontrol", "requeue", "17"]
    assert re.search(r"^#SBATCH --signal=USR1@\d+$", path.read_text(), re.MULTILINE)


def cloud(name: str) -> Any:
    (path,) = (path for path in CLOUDS if path.name == name)
    assert f"scripts/launch/{name}" in path.read_text().split("\napi", 1)[0], (
        "the comment shows how to call it"
    )
    return yaml.safe_load(path.read_text())


def check_command(command: str, *needed: str) -> None:
    """The program has every option of the command, and none that is needed is missing."""
    words = shlex.split(command)
    assert Path(words[0]).name == "stylewav-pl" and words[1] == "fit"
    options = [word for word in words if word.startswith("--")]
    offered = short_help("fit") + "--writer.store"
    assert all(option in offered for option in options)
    assert set(needed) <= set(options)


def test_the_job_for_kubernetes_is_whole() -> None:
    job = cloud("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    check_command(job["spec"]["entrypoint"], "--config", "--run", "--engine", "--workers")
    cluster = job["spec"]["rayClusterSpec"]
    head = cluster["headGroupSpec"]
    assert cluster["enableInTreeAutoscaling"] and head["rayStartParams"]["num-cpus"] == "0"
    (workers,) = cluster["workerGroupSpecs"]
    assert f":{workers['maxReplicas']}" in job["spec"]["entrypoint"]
    for group in (head, workers):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted == {"shared": "/shared"}
        assert [volume["name"] for volume in pod["volumes"]] == ["shared"]
        assert container["workingDir"] == "/shared", "the workers' working folder is that of the command"


def test_the_job_for_spot_machines_is_whole() -> None:
    task = cloud("skypilot.yaml")
    check_command(task["run"], "--config", "--run", "--results")
    assert task["resources"]["use_spot"]
    assert task["resources"]["job_recovery"]["recover_on_exit_codes"] == [Stopped.exit_code]
    for text in (task["setup"], task["run"]):
        subprocess.run(["bash", "-n", "-c", text], check=True)
    for name in task["envs"]:
        assert f'"${name}"' in task["run"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_nodes_by_torchrun(tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / "voices" / f"v{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(9_600), 16_000)
    (tmp_path / "run.yaml").write_text(CONFIG.format(folder=tmp_path / "voices"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "torchrun").write_text(
        f'#!/usr/bin/env bash\nexec {sys.executable} -W ignore -m torch.distributed.run "$@"\n'
    )
    (binaries / "torchrun").chmod(0o755)
    given = {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONWARNINGS": "ignore",
    }
    given |= {"NODES": "2", "PROCESSES": "1", "ADDRESS": "127.0.0.1", "PORT": str(port)}
    command = ["bash", str(REPOSITORY / "scripts" / "launch" / "torchrun"), "run.yaml", "run"]
    nodes = [
        subprocess.Popen(
            command, cwd=tmp_path, env={**given, "NODE": str(node)}, stderr=subprocess.PIPE, text=True
        )
        for node in range(2)
    ]
    said = [node.communicate(timeout=1100)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    journals = [
        [int(line.split()[0]) for line in path.read_bytes().splitlines()]
        for path in sorted((tmp_path / "run/journal").glob("*.index"))
    ]
    assert journals == [[0, 2], [1, 3]]
    assert len((tmp_path / "run" / "results.csv").read_text().splitlines()) == 5
    assert not (tmp_path / "run" / ".job").exists()
    shutil.rmtree(tmp_path / "run")
