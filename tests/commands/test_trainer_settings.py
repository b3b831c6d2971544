"""Lightning's own settings: those that contradict a run are refused with what to do instead, others reach
Lightning."""

import os
from collections.abc import Callable

import pytest
from lightning.pytorch import Trainer

from stylewav_pl.commands.trainer_settings import FORCED, REFUSED, check_trainer

Refused = Callable[..., tuple[int, str]]

PLUGINS = "lightning.fabric.plugins.environments"


@pytest.mark.parametrize(
    ("option", "value", "instead"),
    [
        ("limit_train_batches", "0", "--data.max_clips"),
        ("limit_train_batches", "1", "--data.max_clips"),
        ("limit_train_batches", "0.5", "--data.max_clips"),
        ("overfit_batches", "1", "--data.max_clips"),
        ("fast_dev_run", "true", "overlays/quick.yaml"),
        ("max_steps", "2", "model.num_steps"),
        ("max_time", "00:00:00:00", "the same command continues"),
        ("barebones", "true", "keeps records"),
        ("accumulate_grad_batches", "4", "data.cohort_size"),
        ("gradient_clip_val", "1", "learning rate"),
        ("precision", "bf16-mixed", "model.speed.precision"),
        ("precision", "64-true", "model.speed.precision"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "validate"])
def test_what_would_leave_clips_without_a_face_is_refused(
    refused: Refused, command: str, option: str, value: str, instead: str
) -> None:
    code, error = refused(command, f"--trainer.{option}", value)
    assert code == 2
    assert f"trainer.{option} cannot be" in error
    assert instead in error


def test_the_defaults_of_lightning_pass() -> None:
    defaults = {name: Trainer.__init__.__wrapped__.__kwdefaults__[name] for name in REFUSED}
    check_trainer({**defaults, **FORCED})
    check_trainer({**defaults, **FORCED, "limit_train_batches": 1.0, "enable_model_summary": True})


@pytest.mark.parametrize(
    ("plugin", "lacking"),
    [
        ("SLURMEnvironment", "SLURM_NODEID"),
        ("TorchElasticEnvironment", "LOCAL_RANK"),
        ("KubeflowEnvironment", "RANK"),
        (f"{PLUGINS}.LSFEnvironment", "LSB_DJOB_RANKFILE"),
    ],
)
def test_a_launcher_outside_of_which_the_process_was_started_is_told(
    refused: Refused, plugin: str, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("SLURM", "LSB_", "LOCAL_RANK"))]:
        monkeypatch.delenv(name)
    code, error = refused("validate", "--trainer.plugins", plugin)
    assert code == 2
    assert lacking in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("devices", "-1", "should be an int > 0"),
        ("devices", "0", "not a valid input"),
        ("num_nodes", "0", "must be a positive integer"),
        ("accelerator", "xyz", "invalid accelerator name"),
        ("callbacks", "ModelCheckpoint", "enable_checkpointing=False"),
    ],
)
def test_what_lightning_refuses_is_a_wrong_setting(
    refused: Refused, option: str, value: str, told: str
) -> None:
    code, error = refused("validate", f"--trainer.{option}", value)
    assert code == 2
    assert "The trainer cannot work as configured" in error
    assert told in error
