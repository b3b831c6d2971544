"""Launches are told apart, and all processes of one give it the same name."""

import os

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment

from stylewav_pl.processes.launch import LAUNCH, name_of_launch
from stylewav_pl.processes.parent import PARENT
from stylewav_pl.processes.strategy import LAUNCHED_WITH, Launcher

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "MASTER_ADDR": "node-1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RESTART_COUNT": "0",
}
SLURM = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_RESTART_COUNT": "0"}
BY_HAND = {"LOCAL_RANK": "0", "MASTER_ADDR": "node-1", "MASTER_PORT": "5000"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TORCHRUN, {"MASTER_PORT": "29501"}),
        (TORCHRUN, {"MASTER_ADDR": "node-2"}),
        (TORCHRUN, {"TORCHELASTIC_RUN_ID": "faces"}),
        (SLURM, {"SLURM_JOB_ID": "8"}),
        (SLURM, {"SLURM_STEP_ID": "1"}),
        (SLURM, {"SLURM_RESTART_COUNT": "1"}),
        (BY_HAND, {"MASTER_PORT": "5001"}),
        (BY_HAND, {LAUNCH: "mine"}),
    ],
)
def test_two_jobs_at_once_have_two_names(one: dict[str, str], other: dict[str, str]) -> None:
    assert name_of_launch(False, one) != name_of_launch(False, {**one, **other}) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            TORCHRUN,
            {"TORCHELASTIC_RESTART_COUNT": "1"},
        ),  # the machine on which a process failed counts, others do not
        (TORCHRUN, {**SLURM, "SLURM_STEP_ID": "3"}),  # started on each machine by a step of its own
        (TORCHRUN, {"LOCAL_RANK": "1", "GROUP_RANK": "1"}),
        (SLURM, {"MASTER_PORT": "15007"}),  # Lightning sets it when it is first asked for
        (BY_HAND, {"LOCAL_RANK": "1", "NODE_RANK": "1"}),
    ],
)
def test_processes_of_one_job_agree(one: dict[str, str], other: dict[str, str]) -> None:
    assert name_of_launch(False, one) == name_of_launch(False, {**one, **other}) != ""


def test_who_starts_the_others_makes_up_a_name_that_no_other_launch_has() -> None:
    names = {name_of_launch(True, SLURM) for _ in range(20)}
    assert len(names) == 20
    assert name_of_launch(True, {LAUNCH: "mine"}) == "mine"
    assert name_of_launch(False, {}) == ""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that nobody launched."""
    for name in (*LAUNCHED_WITH, *TORCHRUN, *SLURM, LAUNCH, PARENT):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("alone")
def test_the_launcher_hands_its_name_down_and_keeps_the_environment_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed: list[dict[str, str]] = []

    class Started:
        def __init__(self, command: object, env: dict[str, str], **kwargs: object) -> None:
            handed.append(env)

    monkeypatch.setattr("subprocess.Popen", Started)
    launcher = Launcher(LightningEnvironment(), 3, 1)
    launcher.launch(lambda: None)
    assert [(env[LAUNCH], env[PARENT], env["LOCAL_RANK"]) for env in handed] == [
        (launcher.name, str(os.getpid()), rank) for rank in "12"
    ]
    assert LAUNCH not in os.environ and PARENT not in os.environ
    for name, value in handed[0].items():
        monkeypatch.setenv(name, value)
    assert Launcher(LightningEnvironment(), 3, 1).name == launcher.name, (
        "as the process that was started sees it"
    )


@pytest.mark.usefixtures("alone")
def test_machines_that_each_start_their_own_processes_meet_under_the_address_that_they_were_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MASTER_ADDR", "node-1")
    monkeypatch.setenv("MASTER_PORT", "5000")
    names = {Launcher(LightningEnvironment(), 2, 2).name for _ in range(2)}
    assert names == {"MASTER_ADDR=node-1 MASTER_PORT=5000"}


@pytest.mark.parametrize(("processes", "nodes", "works"), [(1, 1, True), (2, 1, False), (1, 2, False)])
def test_a_notebook_may_start_one_process(processes: int, nodes: int, works: bool) -> None:
    launcher = Launcher(LightningEnvironment(), processes, nodes)
    assert launcher.is_interactive_compatible is works
