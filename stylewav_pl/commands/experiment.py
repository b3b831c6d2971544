"""``fit``, ``validate``, ``test`` and ``predict``: one experiment from one YAML, through LightningCLI."""

import logging
import platform
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from subprocess import Popen
from typing import Any

from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from stylewav_pl import __version__, stopping
from stylewav_pl.callbacks import ClipProgress, ClipScore, Dashboard, ResultsWriter, Watch
from stylewav_pl.commands.again import score_again
from stylewav_pl.commands.arguments import expand_configs, read_configs, run_name
from stylewav_pl.commands.failures import in_words
from stylewav_pl.commands.finish import (
    Scoring,
    check_fraction,
    check_skips,
    counted,
    finish_run,
    finished_before,
    nothing_listed,
    record_prompts,
    sounds_of,
)
from stylewav_pl.commands.first_start import AUTO, ear_of, plan_so_far, prior_of, threads_of
from stylewav_pl.commands.mend import mend, told
from stylewav_pl.commands.parsing import MODE, parse_settings
from stylewav_pl.commands.render import Rendering, render_again
from stylewav_pl.commands.trainer_settings import FORCED
from stylewav_pl.commands.trainer_settings import in_words as trainer_error
from stylewav_pl.commands.trusted_classes import without_working_folder
from stylewav_pl.data import ClipDataModule
from stylewav_pl.data.funnel import table
from stylewav_pl.errors import ConfigError, Stopped, StyleWavError, printable, printable_lines
from stylewav_pl.files import remove_litter, write_json
from stylewav_pl.loggers import CsvLog
from stylewav_pl.module import StyleWav
from stylewav_pl.runs.damage import DamageError
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.job import PATIENCE_SECONDS, Leader, Member
from stylewav_pl.runs.places import check_places
from stylewav_pl.runs.plan import cohorts_of_rank
from stylewav_pl.runs.results import merge
from stylewav_pl.runs.verification import check_cohorts
from stylewav_pl.strategies import Launcher, started_again, use_threads
from stylewav_pl.types import Skip
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import sha256_of

INTERRUPTED = 130
build_module = (
    StyleWav.from_sources
)  # one object: each access makes another, and jsonargparse takes a second one for a clash of names


class ExperimentCLI(LightningCLI):
    """LightningCLI with a run directory: plan first, then optimise, then merge and judge."""

    def __init__(self, command: str, options: list[str]) -> None:
        """Parses and runs ``command``."""
        self.command, self.words = command, expand_configs(options)
        self.failed = True
        try:
            super().__init__(
                build_module,
                ClipDataModule,
                # it aborts on a second start; the run directory keeps the configuration
                save_config_callback=None,
                trainer_defaults=FORCED,
                args=[command, *self.words],
                parser_kwargs={"prog": "stylewav-pl", "exit_on_error": False, "parser_mode": MODE},
                auto_configure_optimizers=False,
                load_from_checkpoint_support=False,
            )
            self.failed = False
        except BaseException as error:
            told = in_words(error, self.run_directory.path) if "config" in self.__dict__ else error
            self.leave(told)
            if told is error:
                raise
            raise told from error
        finally:
            if "trainer" in self.__dict__:
                self.dashboard.close(self.trainer.loggers, self.failed)
            if (
                "run_directory" in self.__dict__
            ):  # parsing came far enough; after an error the same process may want to continue
                self.run_directory.release()

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the seed; Lightning's may also be true, for one that nobody knows."""
        parser.add_argument(
            "--seed_everything",
            type=int,
            default=0,
            help="Seed of the run, from which each clip's own seed follows; 0 to 4294967295.",
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the run's own options and the callbacks that are always there, each working on what those before it have done."""
        parser.add_argument(
            "--run",
            type=str | None,
            default=None,
            help="Run directory; runs/<names of the configurations> by default.",
        )
        parser.add_argument(
            "--restart",
            action="store_true",
            help="Move an existing run directory to <DIR>.old-N and begin anew.",
        )
        parser.add_argument(
            "--strict", action="store_true", help="End with exit code 3 if a clip was skipped."
        )
        parser.add_argument(
            "--max_skipped_fraction",
            type=float,
            default=0.2,
            help="End with exit code 4 if more than this share was skipped.",
        )
        parser.add_argument(
            "--threads",
            type=int | None,
            default=None,
            help="CPU threads of each process of a new run; by default as many as there are cores.",
        )
        parser.add_argument(
            "--patience",
            type=float,
            default=PATIENCE_SECONDS,
            help="Seconds that another process may be silent; slow ones are not.",
        )
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
        self.config = parse_settings(parser, [self.command, *self.words], options, read_configs(self.words))

    def before_instantiate_classes(self) -> None:
        """Writes the audio encoder that ``pocket-auto`` means into the configuration, which the run keeps."""
        model = self._get(self.config, "model")
        model["audio"] = ear_of(self.run_directory, model["audio"], anew=self.restarts)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Builds the trainer with the loggers that the configuration names, and the run's own log file beside them."""
        named = self._get(self.config_init, "trainer").logger
        if named is not False:
            listed = named if isinstance(named, list) else [] if named in (None, True) else [named]
            kwargs["logger"] = [*listed, CsvLog()]
        kwargs["default_root_dir"] = str(self.run_directory.path)
        try:
            return super().instantiate_trainer(**kwargs)
        except StyleWavError:
            raise
        except Exception as error:  # a GPU that is not there, a plugin outside its launcher: each has its own
            raise trainer_error(error) from error

    @cached_property
    def run_directory(self) -> RunDirectory:
        """Where the run's files lie."""
        return RunDirectory(Path(self._get(self.config, "run") or run_name(self.words)))

    @property
    def clip_score(self) -> ClipScore:
        """The judge's callback."""
        callback: ClipScore = self._get(self.config_init, "clip_score")
        return callback

    @property
    def dashboard(self) -> Dashboard:
        """The callback that shows how the run goes."""
        callback: Dashboard = self._get(self.config_init, "dashboard")
        return callback

    @property
    def progress(self) -> bool | None:
        """Whether progress is shown: None where a terminal decides how."""
        enabled: bool | None = self._get(self.config_init, "progress").enabled
        return enabled

    @property
    def scoring(self) -> Scoring:
        """What the statistics need to know."""
        guide = str(self._get(self.config, "model")["guide"])
        hashes = {name: self.weights.get(name, {}).get("sha256", "") for name in ("guide", "judge")}
        judge = self.clip_score.judge_source or guide
        if (
            judge == guide or hashes["judge"] == hashes["guide"] != ""
        ):  # the same file under another name is no second opinion
            judge, hashes["judge"] = guide, hashes["guide"]
        return Scoring(self.clip_score.prompts, guide, judge, self.model.seed, hashes["judge"])

    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        """Adds the options that ``predict`` alone has."""
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand == "predict":
            parser.add_class_arguments(Rendering)
        return parser

    def before_fit(self) -> None:
        """Claims the run directory, decides the plan and takes this process's share of it."""
        run, data, rank = self.run_directory, self.datamodule, self.trainer.global_rank
        data.sample_rate = self.model.audio.sample_rate
        # before anything is written: a wrong judge, prompt, precision or folder must not become part of the
        # run
        self.model.speed.check(self.trainer.strategy.root_device)
        self.model.check_optimizer(self.trainer.strategy.root_device)
        check_places(run.path)
        self.clip_score.setup(self.trainer, self.model, "fit")
        ids = self.listed_ids()
        self._dump_config()
        self.job = self.follow() if rank else self.lead(ids)
        self.plan = run.read_plan(1)  # there is one by now
        if data.cohort_size == AUTO:
            data.cohort_size = self.plan.cohort_size  # the module takes its slots from there
        use_threads(self.threads)
        done = run.finished()
        data.assign(cohorts_of_rank(self.plan.cohorts, rank, self.trainer.world_size, frozenset(done)))
        self.writer.bind(run, self.generator_sha256)
        self._get(self.config_init, "progress").bind(sum(len(cohort.ids) for cohort in data.cohorts))
        self.dashboard.bind(
            self.trainer.loggers, run.path, rank, done.number_of_clips, {} if rank else self.config_dump
        )
        self.trainer.callbacks.insert(0, Watch(self.check, self.check_results))  # type: ignore[attr-defined]  # a property of Trainer that its stub lacks
        stopping.tell(lambda: self.launcher.kill(signal.SIGTERM))
        if not rank and done:
            print(f"{done.number_of_clips} faces are there already and are not made again.")

    def lead(self, ids: Sequence[str]) -> Leader:
        """The first process: claims the directory, writes the plan, and lets the others in."""
        run = self.run_directory
        self.claim()
        for ignored in self.datamodule.ignored:
            print(ignored, flush=True)
        if run.restore_plan(ids):
            say(
                f"The plan of {run.path} was damaged or missing and is written again: the same clips give the same."
            )
        plan = plan_so_far(run, self.datamodule.cohort_size, len(ids), self.model, self.trainer).extended(ids)
        self.datamodule.leave_out(plan.left_out(ids))
        run.write_plan(plan)
        self.lost = mend(FinishedRun(run.path), plan, self.datamodule, say)
        record_prompts(run, self.model.guide, self.clip_score.texts)
        return Leader(run.path, 0, self.trainer.world_size, self.launcher.name, self.children).open()

    def follow(self) -> Member:
        """Every other process: waits until the first one has opened the directory."""
        member = Member(
            self.run_directory.path,
            self.trainer.global_rank,
            self.trainer.world_size,
            self.launcher.name,
            self.children,
        )
        return member.join(self.check_before_joining, say, self._get(self.config, "patience"))

    def check_before_joining(self) -> None:
        """Raises what would make the first process refuse; it may be gone before it could say so.

        Raises:
            RunDirectoryError: The directory was made with another configuration.
            Stopped: A signal came.
        """
        if stopping.asked():
            raise Stopped
        if not self.restarts:
            self.run_directory.configuration.check(self.identity)

    def check(self) -> None:
        """Whether this process may go on.

        Raises:
            ProcessError: Another process failed.
            Stopped: A signal came.
            OutputError: Results cannot be written.
        """
        self.job.check()
        if stopping.asked():
            self.job.look()  # launchers send signals when a process fails: its error is the better reason
            self.job.check()
            raise Stopped
        self.run_directory.check_place()
        self.writer.check()

    def check_results(self) -> None:
        """Ends a run that cannot end well: more clips were skipped than all of them together allow. Its tables tell which so far.

        Raises:
            TooManySkipsError: That is so, and there is work left that this saves.
        """
        if not isinstance(self.job, Leader):
            return
        done, early, cohorts = self.run_directory.finished(), self.datamodule.early_skips, self.plan.cohorts
        skipped = len(early) + sum(len(cohorts[index].ids) for index in done) - done.number_of_clips
        total = len(early) + sum(len(cohort.ids) for cohort in cohorts)
        limit = self._get(self.config, "max_skipped_fraction")
        if len(done) < len(cohorts) and skipped > limit * total:
            merge(self.run_directory, self.plan, done, early)
            check_fraction(skipped, total, limit)

    def leave(self, error: BaseException) -> None:
        """Tells the other processes what ended this one, and ends those that it started."""
        if job := self.__dict__.get("job"):
            job.leave(
                exit_code_of(error),
                str(error) if isinstance(error, StyleWavError) else f"{type(error).__name__}: {error}",
            )
            self.launcher.end()

    @property
    def launcher(self) -> Launcher:
        """What starts the other processes of this machine."""
        launcher = self.trainer.strategy.launcher
        assert isinstance(launcher, Launcher)
        return launcher

    def children(self) -> Sequence[Popen[bytes]]:
        """The processes that this one has started."""
        return tuple(self.launcher.procs)

    @property
    def writer(self) -> ResultsWriter:
        """The callback that writes results."""
        callback: ResultsWriter = self._get(self.config_init, "writer")
        return callback

    def listed_ids(self) -> list[str]:
        """Every clip of the sources.

        Raises:
            ConfigError: There is none, and no earlier start had one.
        """
        ids = [clip.id for clip in self.datamodule.list_clips()]
        if not ids and (self.restarts or "plan" not in self.run_directory.read_manifest()):
            raise ConfigError(nothing_listed(self.datamodule.early_skips, self.datamodule.ignored))
        return ids

    def claim(self) -> None:
        """Locks the run directory and checks that it belongs to this configuration and these weights."""
        run = self.run_directory
        if self.restarts and run.path.exists():
            run.acquire()  # nobody may be working in it
            run.release()
            print(f"The earlier run was moved to {run.move_aside()}.")
        run.acquire()
        if wrong := run.manifest.damage():
            say(f"{run.manifest_path} {wrong}: its copy is used, and put in its place.")
        if wrong := run.configuration.adopt(self.identity):
            say(
                f"{run.config_path} {wrong}: it is written again, since this configuration is that of the run."
            )
        if funnel := self.datamodule.funnel:
            write_json(run.path / "funnel.json", [asdict(stage) for stage in funnel])
        facts = {
            "versions": versions(),
            "weights": self.weights,
            "seed": self.model.seed,
            "threads": self.threads,
        }
        run.write_manifest({**facts, "output": asdict(self.writer.output)})

    @property
    def restarts(self) -> bool:
        """Whether ``--restart`` holds: not where a scheduler has put the same command back into its queue, or the run would never end."""
        return bool(self._get(self.config, "restart")) and not started_again()

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this run another than others; hashes belong to it: a file may change under its name, and a table of clips too."""
        return {**self.config_dump, "weights": self.weights, "samples": self.datamodule.samples}

    @property
    def threads(self) -> int:
        """Threads of each process."""
        return threads_of(self.run_directory, self._get(self.config, "threads"))

    @cached_property
    def weights(self) -> dict[str, dict[str, str]]:
        """Source and SHA-256 of each network's file, read once; networks built in place have neither, nor has a judge that is the guide."""
        model = self._get(self.config, "model")
        sources = {
            "generator": ("generator", model["generator"]),
            "guide": ("image_text", model["guide"]),
            "audio": ("audio", model["audio"]),
            "prior": ("prior", prior_of(model)),
        }
        sources["judge"] = ("image_text", self.clip_score.judge_source if self.clip_score.texts else None)
        return {
            name: {"source": source, "sha256": sha256_of(resolve(source, kind))}
            for name, (kind, source) in sources.items()
            if isinstance(source, str) and source != "linear"
        }

    @property
    def generator_sha256(self) -> str:
        """What the latents of a run are tied to; empty for a generator built in place."""
        return self.weights.get("generator", {}).get("sha256", "")

    def after_fit(self) -> None:
        """Waits for the other processes, then merges their journals and judges the whole; only the first process does."""
        if self.trainer.received_sigterm or stopping.asked():
            raise Stopped
        if not isinstance(self.job, Leader):
            return self.job.leave()
        patience: float = self._get(self.config, "patience")
        self.job.wait(self.missing, self.check, say, patience)
        run, data, early = self.run_directory, self.datamodule, self.datamodule.early_skips
        totals = finished_before(run, self.scoring, early) or finish_run(
            run, self.plan, self.scoring, early, sounds_of(data), self.lost
        )
        self.dashboard.finish(self.trainer.loggers, self.run_directory.path)
        self.job.close(self.check, patience)
        remove_litter(self.run_directory.path)
        if self.lost:
            raise DamageError(run.path, self.lost)
        check_skips(
            totals.skips,
            totals.done,
            self._get(self.config, "strict"),
            self._get(self.config, "max_skipped_fraction"),
        )

    def missing(self) -> int:
        """How many cohorts have no result yet."""
        done = self.run_directory.finished()
        return sum(cohort.index not in done for cohort in self.plan.cohorts)

    def validate(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Decodes every clip and prints the plan and the skips; optimises nothing."""
        data = self.datamodule
        data.sample_rate = model.audio.sample_rate
        model.check_optimizer(self.trainer.strategy.root_device)
        check_places(self.run_directory.path)
        self.listed_ids()
        clips = data.list_clips()
        plan = plan_so_far(self.run_directory, data.cohort_size, len(clips), model, self.trainer).extended(
            clip.id for clip in clips
        )
        data.leave_out(plan.left_out(clip.id for clip in clips))
        clips = data.list_clips()
        skips = [
            *data.early_skips,
            *(loaded for clip in clips if isinstance(loaded := data.load(clip.id), Skip)),
        ]
        self.clip_score.setup(self.trainer, model, "validate")
        for name, facts in self.weights.items():
            print(f"network: {name} {printable(facts['source'])} (SHA-256 {facts['sha256'][:12]}...)")
        if data.funnel:
            print(table(data.funnel))
        cohorts = f"{len(plan.cohorts)} cohorts of {plan.cohort_size}"
        print(
            f"plan: {len(plan.ids)} clips in {cohorts}, {model.recipe.num_steps} steps, into "
            f"{self.run_directory.path}"
        )
        finished = FinishedRun(self.run_directory.path)
        print(f"finished already: {len(finished.journals)} cohorts")
        for line in told(check_cohorts(finished), finished.journals, plan):
            print(printable(line))
        print(f"cannot be used: {len(skips)} clips")
        for skip in skips:
            print(f"  {skip}")
        for ignored in data.ignored:
            print(ignored)
        check_skips(
            skips,
            len(clips) - len(skips),
            self._get(self.config, "strict"),
            self._get(self.config, "max_skipped_fraction"),
        )

    def test(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Scores the images of the run again."""
        self.clip_score.setup(self.trainer, model, "test")
        self.datamodule.sample_rate = model.audio.sample_rate
        device, sounds = self.trainer.strategy.root_device, sounds_of(self.datamodule)
        score_again(
            self.run_directory, model.guide, self.clip_score, self.scoring, device, sounds, self.progress
        )
        self.dashboard.bind(self.trainer.loggers, self.run_directory.path, self.trainer.global_rank)
        self.dashboard.finish(self.trainer.loggers, self.run_directory.path)

    def predict(self, model: StyleWav, datamodule: LightningDataModule, **kwargs: Any) -> None:
        """Renders the latents of the run again into ``rendered/``."""
        check_places(self.run_directory.path)
        rendering = Rendering(*(self._get(self.config, field.name) for field in fields(Rendering)))
        finished = FinishedRun(self.run_directory.path)
        count = render_again(finished, model, self.generator_sha256, rendering, self.progress)
        made = counted(count, "image") + (f" and {counted(count, 'video')}" if rendering.video else "")
        print(f"{made} in {self.run_directory.path / rendering.folder}")


def versions() -> dict[str, str]:
    """What computed the run."""
    packages = ("torch", "lightning", "open_clip_torch", "torchmetrics", "soundfile", "av", "scipy", "soxr")
    return {
        "stylewav-pl": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def run(command: str, options: list[str]) -> int:
    """Runs ``fit``, ``validate``, ``test`` or ``predict``.

    Raises:
        StyleWavError: Something that the user can mend.
    """
    with quiet_lightning(), without_working_folder():
        ExperimentCLI(command, options)
    return 0


def exit_code_of(error: BaseException) -> int:
    """The exit code of the command that ``error`` ends."""
    if isinstance(error, StyleWavError):
        return error.exit_code
    return (
        INTERRUPTED
        if isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)
        else 1
    )


def say(message: str) -> None:
    """Tells a person, at once."""
    print(printable_lines(message), flush=True)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences what Lightning says about trainings in general and what is meant to be so here."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        # frozen networks are in eval mode; Lightning 2.6 asks torch's tree library in a way that newer torch
        # deprecates and how many processes decode is the user's choice, also on few cores
        for expected in (
            r"Found .* module\(s\) in eval mode",
            r".*isinstance\(treespec, LeafSpec\)",
            ".*does not have many workers.*",
            "This DataLoader will create .* worker processes",
        ):
            warnings.filterwarnings("ignore", message=expected)
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
