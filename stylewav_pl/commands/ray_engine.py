"""``fit --engine ray``: the command hands out cohorts, and workers of Ray do what a process of a job does."""

import os
import sys
import traceback
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, final

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loggers import Logger

from stylewav_pl.commands.experiment import ExperimentCLI
from stylewav_pl.commands.quiet import quiet_lightning
from stylewav_pl.commands.trusted_classes import without_working_folder
from stylewav_pl.errors import ConfigError, Stopped, StyleWavError
from stylewav_pl.module import StyleWav
from stylewav_pl.processes.dispenser import Take
from stylewav_pl.processes.ray_actor import Outcome, Seat
from stylewav_pl.processes.ray_cluster import Cluster
from stylewav_pl.processes.ray_workers import Counts, Needs
from stylewav_pl.session.failures import exit_code_of
from stylewav_pl.session.first_start import AUTO
from stylewav_pl.session.ray_sessions import HandedOut, HandingOut
from stylewav_pl.session.settings import RunSettings
from stylewav_pl.weights.offline import VARIABLES

ON_GPUS = ("auto", "gpu", "cuda")
TOLD = (*VARIABLES, "OMP_WAIT_POLICY")
OWN = "STYLEWAV_"  # how the variables begin that steer this package


@final
class Place(LightningEnvironment):
    """A worker's place among processes that Ray has started, one on each of as many nodes."""

    def __init__(self, seat: Seat) -> None:
        super().__init__()
        self.seat = seat

    @property
    def creates_processes_externally(self) -> bool:
        """True: this process starts no others."""
        return True

    def node_rank(self) -> int:
        """The seat: a worker replaces the one before it in its place."""
        return self.seat.number

    def local_rank(self) -> int:
        """Always 0."""
        return 0


@final
class WorkerCLI(ExperimentCLI):
    """The same experiment in the process of a worker."""

    def __init__(self, options: list[str], seat: Seat, take: Take, token: str) -> None:
        """Parses, builds and works until there is no more."""
        self.seat, self.take, self.token = seat, take, token
        super().__init__("fit", options)

    @property
    def settings(self) -> RunSettings:
        """The settings of the run; who claimed it has moved an earlier one aside."""
        given = RunSettings.read(self.config[self.command], "")
        return RunSettings(**{**vars(given), "restart": False, "results": None})

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Builds the trainer of one process with one device."""
        plugins = self._get(self.config_init, "trainer").plugins or []
        kwargs["plugins"] = [*(plugins if isinstance(plugins, list) else [plugins]), Place(self.seat)]
        return super().instantiate_trainer(**kwargs, devices=1, num_nodes=self.seat.most)

    def loggers(self, path: Path) -> list[Logger] | bool:
        """Has none: the command that hands out cohorts shows those of all workers."""
        return False

    def fit(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Makes the cohorts that it is handed."""
        session = self.session_of(HandedOut, token=self.token, take=self.take)
        with session:
            session.join()
            self.trainer.fit(model, datamodule, **kwargs)
            session.finish()


def fit_with_ray(cli: ExperimentCLI) -> None:
    """Makes a face for every clip that has none yet, by workers of Ray, and the report of all.

    Args:
        cli: The parsed and built experiment.

    Raises:
        StyleWavError: Something that the user can mend.
    """
    counts = Counts.read(cli._get(cli.config, "workers"))
    session = cli.session_of(HandingOut)
    if session.dashboard.every_rank:
        raise ConfigError(
            "dashboard.every_rank is for processes that show their own numbers; with --engine ray the "
            "command shows those of all workers. Remove it, or take --engine lightning."
        )
    with closing(Cluster()) as cluster, session:
        accelerator = cli._get(cli.config, "trainer").accelerator
        check_cohort_size(session, accelerator)
        session.join()
        cli.compare_with_own(session)
        if session.data.cohorts:
            cluster.connect()
            gpus = int(cluster.gpus > 0 and accelerator in ON_GPUS)
            needs = Needs(gpus, 1 if gpus else session.threads, environment(session.threads))
            places = cluster.gpus if gpus else cluster.cores // session.threads
            counts = Counts(counts.least, counts.most or max(counts.least, places))
            options = [*cli.argv, "--run", str(session.run.path.absolute()), "--progress.enabled", "false"]
            work = partial(work_in, os.getcwd(), options, session.token)
            session.make_all(work, counts, needs, cli.progress)
        session.finish()


def check_cohort_size(session: HandingOut, accelerator: str) -> None:
    """Refuses to measure the memory of a device that is somewhere else.

    Raises:
        ConfigError: The size of a new run's cohorts depends on it.
    """
    measured = session.data.cohort_size == AUTO and "plan" not in session.run.read_manifest()
    if measured and accelerator != "cpu" and session.trainer.strategy.root_device.type == "cpu":
        raise ConfigError(
            "data.cohort_size: auto measures the memory of a GPU, and this machine has none: perhaps the "
            "workers have. Give a number, or --trainer.accelerator cpu."
        )


def environment(threads: int) -> dict[str, str]:
    """Returns what a worker's process needs to know before it imports anything."""
    names = [name for name in os.environ if name.startswith(OWN) or name in TOLD]
    own = {name: os.environ[name] for name in names}
    return {**own, "OMP_NUM_THREADS": str(threads)}


def work_in(folder: str, options: list[str], token: str, seat: Seat, take: Take) -> Outcome:
    """Does the work of one worker, in its process.

    Args:
        folder: Where the command was given: paths of the configuration begin there.
        options: Of the command.
        token: Of the process that claimed the run.
        seat: Of this worker.
        take: Asks for a cohort.

    Returns:
        How it ended.

    Raises:
        SystemExit: This process was asked to stop.
    """
    try:
        check_folder(Path(folder))
        os.chdir(folder)
        with quiet_lightning(), without_working_folder():
            WorkerCLI(options, seat, take, token)
    except (SystemExit, Stopped):
        sys.exit(1)  # SIGTERM: the node goes, so this worker is lost, and its cohorts go to others
    except BaseException as error:  # whatever else it is: the command has to hear of it
        if not isinstance(error, StyleWavError):
            traceback.print_exc(file=sys.stderr)  # for Ray's log
        said = str(error) if isinstance(error, StyleWavError) else f"{type(error).__name__}: {error}"
        return exit_code_of(error) or 1, said
    return 0, ""


def check_folder(folder: Path) -> None:
    """Checks that this machine has the folder of the command.

    Raises:
        ConfigError: It has not.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"Expected {folder} on every node of the Ray cluster, found none on {os.uname().nodename}. Give "
            "the command in a folder that all nodes share, like the run directory and the recordings."
        )
