"""One experiment from one YAML, through LightningCLI, whose processes make the cohorts."""

import os
from collections.abc import Callable
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from jsonargparse.typing import class_from_function
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger

from stylewav_pl.callbacks import ClipProgress, ClipScore, Dashboard, ResultsWriter
from stylewav_pl.commands.arguments import expand_configs, read_configs, run_name
from stylewav_pl.commands.collector import collect_as_usual
from stylewav_pl.commands.own_configuration import remarks
from stylewav_pl.commands.parsing import MODE, parse_settings
from stylewav_pl.commands.render import Rendering, render_again
from stylewav_pl.commands.rescore import rescore
from stylewav_pl.commands.run_options import add_run_options, check_command
from stylewav_pl.commands.trainer_settings import FORCED
from stylewav_pl.commands.trainer_settings import to_user_error as trainer_error
from stylewav_pl.commands.validate import print_plan
from stylewav_pl.commands.walk import walk
from stylewav_pl.data import ClipDataModule
from stylewav_pl.errors import StyleWavError
from stylewav_pl.loggers import CsvLog, RunLogger
from stylewav_pl.module import StyleWav
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.places import check_places
from stylewav_pl.session.failures import user_errors
from stylewav_pl.session.finalize import counted, print_now, sounds_of
from stylewav_pl.session.first_start import ear_of
from stylewav_pl.session.networks import Networks
from stylewav_pl.session.run_session import RunSession
from stylewav_pl.session.settings import RunSettings

# Made once: each access to the method makes another object, which jsonargparse takes for a clash of names. To
# find the module where the class belongs, it goes through the whole stack and all modules that are loaded.
ModuleFromSources = class_from_function(StyleWav.from_sources)

_Parser = tuple[LightningArgumentParser, dict[str, LightningArgumentParser], dict[str, list[str]]]
_PARSERS: dict[str, _Parser] = {}  # by command; parsing leaves nothing in them

Session = TypeVar("Session", bound=RunSession)


class ExperimentCLI(LightningCLI):
    """Parses one experiment, builds its parts, and runs one of four verbs on them."""

    def __init__(self, command: str, options: list[str]) -> None:
        """Parses and runs ``command``."""
        self.command, self.argv = command, expand_configs(options)
        super().__init__(
            ModuleFromSources,
            ClipDataModule,
            # it aborts on a second start; the run directory keeps the configuration
            save_config_callback=None,
            trainer_defaults=FORCED,
            args=[command, *self.argv],
            parser_kwargs={"prog": "stylewav-pl", "exit_on_error": False, "parser_mode": MODE},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def setup_parser(self, *details: Any) -> None:
        """Takes the parser of an earlier command of this process: making one takes as long as parsing."""
        if self.command not in _PARSERS:
            super().setup_parser(*details)
            _PARSERS[self.command] = self.parser, self._subcommand_parsers, self._subcommand_method_arguments
        self.parser, self._subcommand_parsers, self._subcommand_method_arguments = _PARSERS[self.command]

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # Lightning's is static
        """Returns the command alone: parsers for all four take time at every start."""
        return {self.command: LightningCLI.subcommands()[self.command]}

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the seed; Lightning's may also be true, for one that nobody knows."""
        parser.add_argument(
            "--seed_everything",
            type=int,
            default=0,
            help="Seed of the run, from which each clip's own seed follows; 0 to 4294967295.",
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the run's own options and the callbacks that are always there.

        Each callback works on what those before it have done.
        """
        add_run_options(parser)
        parser.add_lightning_class_args(ClipScore, "clip_score")
        parser.add_lightning_class_args(ResultsWriter, "writer")
        parser.add_lightning_class_args(ClipProgress, "progress")
        parser.add_lightning_class_args(Dashboard, "dashboard")
        parser.link_arguments("data.cohort_size", "model.cohort_size")
        parser.link_arguments("seed_everything", "model.seed")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses; the parent class would warn about being called from Python.

        Raises:
            ConfigError: An option or a configuration is wrong; the parser's own way prints a page of every
                option before it says what.
        """
        options = self._subcommand_parsers[self.command]
        self.documents = read_configs(self.argv)
        self.config = parse_settings(parser, [self.command, *self.argv], options, self.documents)
        check_command(self.command, self.config[self.command])

    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        """Adds the options that ``predict`` alone has."""
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand == "predict":
            parser.add_class_arguments(Rendering)
            parser.add_argument(
                "--between",
                nargs=2,
                metavar=("A", "B"),
                help="Only a film and a strip from one face to another: ids of clips of the run, or files of "
                "latents.",
            )
        return parser

    def instantiate_classes(self) -> None:
        """Builds everything, with the audio encoder that ``pocket-auto`` means: the run keeps it."""
        with user_errors(self.settings.path):
            model = self._get(self.config, "model")
            run = RunDirectory(self.settings.path)
            model["audio"] = ear_of(run, model["audio"], anew=self.settings.begins_anew)
            super().instantiate_classes()
        collect_as_usual()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Builds the trainer with the loggers that the configuration names.

        The run's own log file comes beside them.
        """
        path = self.settings.path
        kwargs["logger"] = self.loggers(path)
        kwargs["default_root_dir"] = lightning_path(path)
        try:
            return super().instantiate_trainer(**kwargs)
        except StyleWavError:
            raise
        except Exception as error:  # a GPU that is not there, a plugin outside its launcher: each has its own
            raise trainer_error(error) from error

    def loggers(self, path: Path) -> list[Logger] | bool:
        """Returns those that the configuration names, with the run's own log file; False: none at all."""
        named = self._get(self.config_init, "trainer").logger
        if named is False:
            return False
        listed = named if isinstance(named, list) else [] if named in (None, True) else [named]
        for logger in listed:
            if isinstance(logger, RunLogger):
                logger.run_path = path
        return [*listed, CsvLog(path)]

    def _run_subcommand(self, subcommand: str) -> None:
        with user_errors(self.settings.path):
            super()._run_subcommand(subcommand)

    def fit(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Makes a face for every clip that has none yet, and the report of all."""
        with self.session as session:
            session.join()
            self.compare_with_own(session)
            self.trainer.fit(model, datamodule, **kwargs)
            session.finish()

    def compare_with_own(self, session: RunSession) -> None:
        """Says where the configuration of another run meets other networks or clips than that run had."""
        if not self.trainer.global_rank:
            for remark in remarks(self.documents, session.identity):
                print_now(remark)

    def validate(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Decodes every clip and prints the plan and the skips; optimises nothing."""
        print_plan(self.session)

    def test(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Scores the images of the run again."""
        score, device = self.clip_score, self.trainer.strategy.root_device
        with self.session as session:
            score.prepare(model.guide, model.device)
            scoring, sounds = self.networks.scoring(model.seed), sounds_of(session.data)
            rescore(session.run, model.guide, score, scoring, device, sounds, self.progress)
            session.dashboard.show_results(self.trainer)

    def predict(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Renders the latents of the run again into ``rendered/``, or the way from one face to another."""
        path = self.settings.path
        check_places(path)
        rendering = Rendering(*(self._get(self.config, field.name) for field in fields(Rendering)))
        sha256, ends = self.networks.generator_sha256, self._get(self.config, "between")
        if ends is not None:
            for place in walk(FinishedRun(path), model, sha256, rendering, *ends):
                print(place)
            return
        count = render_again(FinishedRun(path), model, sha256, rendering, self.progress)
        made = counted(count, "image") + (f" and {counted(count, 'video')}" if rendering.video else "")
        print(f"{made} in {path / rendering.folder}")

    @cached_property
    def settings(self) -> RunSettings:
        """The settings of the run itself."""
        return RunSettings.read(self.config[self.command], run_name(self.argv))

    @cached_property
    def session(self) -> RunSession:
        """This start of the run."""
        return self.session_of(RunSession)

    def session_of(self, kind: Callable[..., Session], **more: Any) -> Session:
        """This start of the run, as one of the kinds that there are."""
        self._dump_config()
        parts = (self.trainer, self.model, self.datamodule)
        writer, dashboard = (self._get(self.config_init, name) for name in ("writer", "dashboard"))
        return kind(
            self.settings, *parts, writer, self.clip_score, dashboard, self.networks, self.config_dump, **more
        )

    @cached_property
    def networks(self) -> Networks:
        """The networks that the configuration names."""
        return Networks(self._get(self.config, "model"), self.clip_score, self.model.guidance.prompts)

    @property
    def clip_score(self) -> ClipScore:
        """The judge's callback."""
        callback: ClipScore = self._get(self.config_init, "clip_score")
        return callback

    @property
    def progress(self) -> bool | None:
        """Whether progress is shown: None where a terminal decides how."""
        enabled: bool | None = self._get(self.config_init, "progress").enabled
        return enabled


def lightning_path(path: Path) -> str:
    """Returns the path in a form that Lightning leaves as it is: it expands ``~`` and folds ``..``."""
    text = str(path)
    return text if os.path.normpath(os.path.expanduser(text)) == text else os.path.realpath(text)
