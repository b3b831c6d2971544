"""The results writer: images, latents and records of each cohort, as soon as it is done."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image
from safetensors.torch import save

from stylewav_pl.callbacks.images import png_metadata, readable, to_bytes, to_picture
from stylewav_pl.evaluation.grid import strip
from stylewav_pl.evaluation.starts import write_sheet
from stylewav_pl.runs import journal
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.embeddings import CohortEmbeddings, write_embeddings
from stylewav_pl.runs.files import write_whole
from stylewav_pl.runs.journal import ClipRecord, CohortRecord
from stylewav_pl.types import CohortResult, ConfigError, ScoreRow


class ResultsWriter(Callback):
    """Writes each finished cohort: files first, then one journal line that makes them count."""

    def __init__(self, latents: bool = True, strips: bool = False) -> None:
        """Says what is written beside images and records.

        Args:
            latents: Also the final latent of each clip.
            strips: Also a strip of the clip's images at ``model.frame_steps``.
        """
        self.latents = latents
        self.strips = strips
        self.run: RunDirectory | None = None
        self.generator_sha256 = ""
        self._began = time.monotonic()

    def bind(self, run: RunDirectory, generator_sha256: str) -> None:
        """Tells where to write and which generator the latents belong to; called before the first cohort."""
        self.run, self.generator_sha256 = run, generator_sha256

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Starts the cohort's clock."""
        self._began = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Writes the cohort that has just been finished.

        Raises:
            ConfigError: The writer was never told where to write.
        """
        if self.run is None:
            raise ConfigError("ResultsWriter has no run directory: call bind(RunDirectory(path), ...) before fitting.")
        result: CohortResult = outputs["result"]
        scores: tuple[ScoreRow, ...] = outputs.get("scores", ())
        self.write_files(self.run, result, getattr(pl_module, "latent_space").name)  # noqa: B009 - typed as Module
        write_evidence(self.run, result)
        record = cohort_record(result, scores, seconds=round(time.monotonic() - self._began, 3))
        journal.append(self.run.journal_path(trainer.global_rank), record)

    def write_files(self, run: RunDirectory, result: CohortResult, space: str) -> None:
        """Writes the pictures and latents of a cohort, each whole or not at all."""
        pictures = to_bytes(result.images).cpu().numpy()
        for index, (clip, seed) in enumerate(zip(result.clips, result.seeds, strict=True)):
            write_png(run.image_path(clip.id), Image.fromarray(pictures[index]), clip.id, seed)
            if self.latents:
                metadata = {"id": readable(clip.id), "space": space, "generator_sha256": self.generator_sha256}
                data = in_one_order(save({"latent": result.latents[index].detach().cpu().contiguous()}, metadata=metadata))
                write_bytes(run.latent_path(clip.id), data)
            if self.strips and result.frame_steps:
                frames = [to_picture(frame) for frame in result.frames[index]]
                write_png(run.strip_path(clip.id), strip(frames, result.frame_steps), clip.id, seed)


def write_evidence(run: RunDirectory, result: CohortResult) -> None:
    """Writes what the report needs to say where a trait gets lost: targets, embedded images, and how the images began."""
    if result.clips:
        targets, images = (tensor.detach().to("cpu", torch.float32).numpy() for tensor in (result.targets, result.embeddings))
        write_embeddings(run.embeddings_path(result.cohort), CohortEmbeddings(tuple(clip.id for clip in result.clips), targets, images))
        write_sheet(run.starts_path(result.cohort), list(to_bytes(result.starts).cpu().numpy()))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file, whole or not at all."""
    write_whole(path, lambda file: file.write(data))


def write_png(path: Path, picture: Image.Image, id: str, seed: int) -> None:
    """Writes a PNG with the note that it is no portrait in its metadata."""
    write_whole(path, lambda file: picture.save(file, format="PNG", pnginfo=png_metadata(id, seed)))


def in_one_order(data: bytes) -> bytes:
    """A safetensors file with the keys of its header sorted: the library writes metadata in an order that changes from call to call.

    Format: header length (8 bytes, little-endian), JSON header padded with spaces to a multiple of 8, tensors;
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
    clips = tuple(
        ClipRecord(clip.id, clip.path, clip.speaker, dict(clip.labels), seed, curve[0], curve[-1], by_id.get(clip.id, {}), tuple(curve))
        for clip, seed, curve in zip(result.clips, result.seeds, curves, strict=True)
    )
    return CohortRecord(result.cohort, clips, result.skips, seconds)
