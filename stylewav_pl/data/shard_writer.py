"""Clips as webdataset shards: a few large files instead of many small ones, for the user's own storage."""

import io
import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

import soundfile
from webdataset import TarWriter

from stylewav_pl.data.module import ClipDataModule
from stylewav_pl.data.shard_files import INDEX, INDEX_SUFFIX
from stylewav_pl.data.shard_index import index_text
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError
from stylewav_pl.files import remove_litter, whole_file, write_json, write_text
from stylewav_pl.runs.plan import clashes, key_of
from stylewav_pl.types import AudioError, Clip, Skip, SkipReason

SAMPLE_RATE = 16_000  # of sounds that are no file
LONGEST_SECONDS = 3600.0


def write_shards(data: ClipDataModule, directory: Path, clips_per_shard: int = 1000) -> list[Skip]:
    """Writes every clip of the sources as two members.

    Its file unchanged (a made voice as FLAC) and ``json`` with id, speaker and labels.

    The same clips give the same bytes. A shard is there whole or not at all, and ``shards.json`` (hashes,
    counts, skips) comes last.

    Args:
        data: Lists the clips.
        directory: Where ``clips-00000.tar`` ... go; must not hold a finished set.
        clips_per_shard: Clips in each file.

    Returns:
        Clips without a readable file.

    Raises:
        ConfigError: There is a finished set already, or nothing to write.
    """
    if (directory / INDEX).exists():
        raise ConfigError(
            f"{directory} holds shards already ({INDEX}). Choose another directory, or remove it."
        )
    data.leave_out(clashes(clip.id for clip in data.list_clips()))
    clips, skips = data.list_clips(), list(data.early_skips)
    if not clips or clips_per_shard < 1:
        raise ConfigError(
            f"Expected at least one clip and one clip per shard; found {len(clips)} clips and "
            f"{clips_per_shard} per shard."
        )
    directory.mkdir(parents=True, exist_ok=True)
    remove_litter(directory)
    for stale in directory.glob("clips-*.tar"):  # of an earlier start that did not come to its end
        stale.unlink()
        stale.with_suffix(INDEX_SUFFIX).unlink(missing_ok=True)
    rest = iter(clips)
    shards: list[dict[str, str | int]] = []
    while group := list(islice(rest, clips_per_shard)):
        path = directory / f"clips-{len(shards):05d}.tar"
        written = _write_shard(data, group, path, skips)
        write_text(path.with_suffix(INDEX_SUFFIX), index_text(path))
        shards.append({"file": path.name, "clips": written, "sha256": sha256(path.read_bytes()).hexdigest()})
    told = [
        {"id": skip.id, "path": skip.path, "reason": skip.reason.value, "detail": skip.detail}
        for skip in skips
    ]
    write_json(
        directory / INDEX,
        {"clips": len(clips) - len(skips) + len(data.early_skips), "shards": shards, "skipped": told},
    )
    return skips


def _write_shard(data: ClipDataModule, clips: Sequence[Clip], path: Path, skips: list[Skip]) -> int:
    written = 0
    # a fixed time makes the bytes depend on the clips alone
    with whole_file(path) as file, TarWriter(file, mtime=0.0, encoder=False) as tar:
        for member in _members(data, clips, skips):
            tar.write(member)
            written += 1
    return written


def _members(
    data: ClipDataModule, clips: Sequence[Clip], skips: list[Skip]
) -> Iterator[dict[str, str | bytes]]:
    for clip in clips:
        facts = {"id": clip.id, "speaker": clip.speaker, "labels": dict(clip.labels)}
        try:
            suffix, sound = _sound(data, clip)
        except OSError as error:
            skips.append(
                Skip(clip.id, clip.path, SkipReason.UNREADABLE, f"Cannot be read: {error.strerror}.")
            )
        except AudioError as error:
            skips.append(Skip(clip.id, clip.path, error.reason, error.detail))
        else:
            yield {
                "__key__": key_of(clip.id),
                suffix: sound,
                "json": json.dumps(facts, ensure_ascii=False, sort_keys=True).encode(
                    "utf-8", "surrogateescape"
                ),
            }


def _sound(data: ClipDataModule, clip: Clip) -> tuple[str, bytes]:
    source = data.source_of(clip.id)
    file = source.file_of(clip)
    if file is not None:
        return file.suffix.removeprefix(".").lower() or "audio", file.read_bytes()
    waveform = source.read(clip, SAMPLE_RATE, Window(seconds=LONGEST_SECONDS))
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform.numpy(), SAMPLE_RATE, format="FLAC")
    return "flac", buffer.getvalue()
