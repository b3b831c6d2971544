"""The results writer: images, latents and records of each cohort, as soon as it is done."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image
from safetensors.torch import save
from torch import Tensor

from stylewav_pl.callbacks.background import Background
from stylewav_pl.errors import ConfigError, OutputError
from stylewav_pl.pictures.grid import strip
from stylewav_pl.pictures.images import encode, readable, to_bytes, to_picture
from stylewav_pl.pictures.sheets import write_sheet
from stylewav_pl.ranges import check_number
from stylewav_pl.runs import journal
from stylewav_pl.runs.digests import CohortFiles, Digest
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.embeddings import CohortEmbeddings, write_embeddings
from stylewav_pl.runs.journal import ClipRecord, CohortRecord
from stylewav_pl.runs.stores import IMAGE, LATENT, RECORD, STRIP, Member, Output
from stylewav_pl.types import CohortResult, Recording, ScoreRow

PATIENCE_SECONDS = 10.0
MOST_WORKERS = 256


class ResultsWriter(Callback):
    """Writes each finished cohort while the next one is optimised.

    Members come first, then the journal line that makes them count.
    """

    run: RunDirectory

    def __init__(
        self,
        store: Literal["files", "shards"] = "files",
        image: Literal["png", "jpeg", "webp", "none"] = "png",
        latents: bool = True,
        strips: bool = False,
        workers: int = 2,
        queue: int = 2,
    ) -> None:
        """Says what is written beside the records, and how.

        Args:
            store: One file for each image and latent, or one tar for each cohort, as webdataset reads it.
            image: Format of the images; ``none``: latents only, `stylewav-pl predict` renders them later.
            latents: Also the final latent of each clip.
            strips: Also a strip of the clip's images at ``model.frame_steps``.
            workers: Threads that encode and write images.
            queue: Finished cohorts that may wait to be written before the optimisation waits for them.

        Raises:
            ConfigError: Nothing would be written, or a number is out of its range.
        """
        check_number("writer.workers", workers, least=1, most=MOST_WORKERS)
        check_number("writer.queue", queue, least=1)
        if image == "none" and not latents:
            raise ConfigError(
                "writer.image is none and writer.latents is false: nothing would be written. Choose one of "
                "them."
            )
        self.output = Output(store, image)
        self.latents = latents
        self.strips = strips
        self.workers = workers
        self.queue = queue
        self.generator_sha256 = ""
        # whether this process's result of a cohort counts, where several may make the same one
        self.wins: Callable[[int], bool] = lambda cohort: True
        self._background: Background | None = None
        self._began = time.monotonic()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes to the trainer's root directory; its manifest tells whose latents they are.

        Raises:
            OutputError: The directory is not there.
        """
        self.run = RunDirectory(Path(trainer.default_root_dir))
        self.run.check_place()
        networks = self.run.read_manifest().get("weights", {})
        self.generator_sha256 = networks.get("generator", {}).get("sha256", "")

    def check(self) -> None:
        """Raises the error of a cohort that could not be written, without waiting for the next one.

        Raises:
            OutputError: It could not be written.
        """
        if self._background is not None:
            self._background.check()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Starts the cohort's clock."""
        self._began = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Hands the cohort that has just been finished to the thread that writes it."""
        result: CohortResult = outputs["result"]
        record = cohort_record(
            result, outputs.get("scores", ()), seconds=round(time.monotonic() - self._began, 3)
        )
        pictures = to_bytes(result.images).cpu().numpy()
        self._background = self._background or Background(self.queue)
        about: Mapping[str, str] = getattr(pl_module, "latent_metadata")  # noqa: B009 - typed as Module
        self._background.add(
            partial(
                self._write,
                trainer.global_rank,
                off_the_device(result),
                pictures,
                record,
                about,
                batch.recordings,
            )
        )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits until everything is written."""
        self._finish(None)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what was finished before the error; a disk that does not answer is not waited for."""
        try:
            self._finish(PATIENCE_SECONDS)
        except (OSError, OutputError):
            return  # the error that is on its way already, or one that the same command will meet again

    def _finish(self, seconds: float | None) -> None:
        background, self._background = self._background, None
        if background is not None:
            background.finish(seconds)

    def _write(
        self,
        rank: int,
        result: CohortResult,
        pictures: UInt8[np.ndarray, "clip height width 3"],
        record: CohortRecord,
        about: Mapping[str, str],
        recordings: tuple[Recording, ...],
    ) -> None:
        run = self.run
        try:
            run.check_place()
            if not self.wins(result.cohort):
                return
            with ThreadPoolExecutor(self.workers) as pool:
                parts = pool.map(
                    lambda index: list(self._members(result, pictures[index], index, record, about)),
                    range(len(result.clips)),
                )
                stored = run.store.write(result.cohort, [member for part in parts for member in part], pool)
            evidence = write_evidence(run, result, sheet=self.output.image != "none")
            run.check_place()
            files = CohortFiles({**stored.files, **evidence}, stored.members, recordings)
            journal.append(run.journal_path, rank, record, files)
        except OSError as error:
            raise OutputError(run.path, error) from error

    def _members(
        self,
        result: CohortResult,
        picture: UInt8[np.ndarray, "height width 3"],
        index: int,
        record: CohortRecord,
        about: Mapping[str, str],
    ) -> Iterator[Member]:
        """Everything that is kept about one clip."""
        id, seed = result.clips[index].id, result.seeds[index]
        if self.output.image != "none":
            yield Member(id, IMAGE, encode(Image.fromarray(picture), self.output.image, id, seed))
        if self.latents:
            whole = {"generator_sha256": self.generator_sha256, **about}
            yield Member(id, LATENT, latent_file(result.latents[index], id, whole, result.tuning))
        yield Member(id, RECORD, json.dumps(record.clips[index].facts, sort_keys=True).encode("ascii"))
        if self.strips and result.frame_steps:
            frames = [to_picture(frame) for frame in result.frames[index]]
            yield Member(id, STRIP, encode(strip(frames, result.frame_steps), "png", id, seed))


def off_the_device(result: CohortResult) -> CohortResult:
    """The result in main memory and without its images, so that nothing on the device waits to be written."""
    tensors = {
        name: getattr(result, name).detach().cpu()
        for name in ("latents", "curves", "targets", "frames", "embeddings", "starts")
    }
    terms = {name: values.detach().cpu() for name, values in result.terms.items()}
    return replace(result, terms=terms, images=torch.zeros(()).expand(result.images.shape), **tensors)


def write_evidence(run: RunDirectory, result: CohortResult, sheet: bool) -> dict[str, Digest]:
    """Writes what the report needs to say where a trait gets lost.

    Targets, embedded images, and how the images began.

    Args:
        run: Where to write.
        result: A finished cohort.
        sheet: Whether the images at the start are wanted.

    Returns:
        What was written, by path in the run directory.
    """
    if not result.clips:
        return {}
    targets, images = result.targets.float().numpy(), result.embeddings.float().numpy()
    embeddings = CohortEmbeddings(tuple(clip.id for clip in result.clips), targets, images)
    path = run.embeddings_path(result.cohort)
    written = {path: write_embeddings(path, embeddings)}
    path = run.starts_path(result.cohort)
    if sheet and (drawn := write_sheet(path, list(to_bytes(result.starts).numpy()))):
        written[path] = drawn
    return {path.relative_to(run.path).as_posix(): digest for path, digest in written.items()}


def latent_file(
    latent: Tensor, id: str, about: Mapping[str, str], tuning: Mapping[str, Tensor] | None = None
) -> bytes:
    """Returns a latent as a safetensors file.

    Args:
        latent: Without a clip axis.
        id: Of the clip.
        about: What a reader needs to know: the space, and ``generator_sha256``.
        tuning: The change of the generator that belongs to it.
    """
    metadata = {"id": readable(id), **about}
    tensors = {"latent": latent.contiguous(), **(tuning or {})}
    return in_one_order(save(tensors, metadata=metadata))


def in_one_order(data: bytes) -> bytes:
    """Writes a safetensors file with the keys of its header sorted.

    The library writes metadata in an order that changes from call to call.

    Format: header length (8 bytes, little-endian), JSON header padded with spaces to a multiple of 8,
        tensors;
    https://github.com/huggingface/safetensors#format
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode("utf-8")
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def cohort_record(result: CohortResult, scores: tuple[ScoreRow, ...], seconds: float = 0.0) -> CohortRecord:
    """The journal's record of a finished cohort."""
    by_id = {row.id: dict(row.scores) for row in scores}
    curves = result.curves.detach().to("cpu", torch.float64).tolist()
    terms = {name: values.detach().double().tolist() for name, values in result.terms.items()}
    clips = tuple(
        ClipRecord(
            clip.id,
            clip.path,
            clip.speaker,
            dict(clip.labels),
            seed,
            curve[0],
            curve[-1],
            by_id.get(clip.id, {}),
            tuple(curve),
            {name: values[row] for name, values in terms.items()},
        )
        for row, (clip, seed, curve) in enumerate(zip(result.clips, result.seeds, curves, strict=True))
    )
    return CohortRecord(result.cohort, clips, result.skips, seconds)
