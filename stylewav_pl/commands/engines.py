"""``fit``, ``validate``, ``test`` and ``predict``, with the engine that ``--engine`` names."""

from typing import Any, final

from lightning.pytorch import LightningDataModule, Trainer

from stylewav_pl.commands.experiment import ExperimentCLI
from stylewav_pl.commands.quiet import quiet_lightning
from stylewav_pl.commands.ray_engine import fit_with_ray
from stylewav_pl.commands.trainer_settings import one_process
from stylewav_pl.commands.trusted_classes import without_working_folder
from stylewav_pl.errors import ConfigError
from stylewav_pl.module import StyleWav


@final
class EngineCLI(ExperimentCLI):
    """An experiment of which Lightning's processes make the cohorts, or workers of Ray."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Builds the trainer: of one process where Ray's workers do the work."""
        if self.uses_ray:
            kwargs |= one_process(self._get(self.config_init, "trainer"))
        return super().instantiate_trainer(**kwargs)

    def fit(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Makes a face for every clip that has none yet, and the report of all."""
        if self.uses_ray:
            return fit_with_ray(self)
        if self._get(self.config, "workers") is not None:
            raise ConfigError(
                "--workers counts those of --engine ray. Add --engine ray, or take --trainer.devices N."
            )
        super().fit(model, datamodule, **kwargs)

    @property
    def uses_ray(self) -> bool:
        """Whether Ray's workers make the cohorts, and not this process."""
        return bool(self.command == "fit" and self._get(self.config, "engine") == "ray")


def run(command: str, options: list[str]) -> int:
    """Runs ``fit``, ``validate``, ``test`` or ``predict``.

    Raises:
        StyleWavError: Something that the user can mend.
    """
    perform(command, options)
    return 0


def perform(command: str, options: list[str]) -> ExperimentCLI:
    """Runs an experiment, and returns it with its networks for what else is to be made of them.

    Raises:
        StyleWavError: Something that the user can mend.
    """
    with quiet_lightning(), without_working_folder():
        return EngineCLI(command, options)
