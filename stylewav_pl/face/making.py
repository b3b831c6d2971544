"""``stylewav_pl.generate``: recordings to faces, in one call."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from PIL import Image
from torch import Tensor

from stylewav_pl.data.loader import assemble
from stylewav_pl.data.sound import Sound
from stylewav_pl.face.defaults import defaults
from stylewav_pl.face.networks import Networks
from stylewav_pl.face.record import Face
from stylewav_pl.face.recordings import Recording, is_with_rate, listed, read_all
from stylewav_pl.face.settings import Asked, asked_window, build_system, prepare, with_words
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.prompts import Prompt, voice_and_words
from stylewav_pl.optimisation.start import Start
from stylewav_pl.pictures.images import to_picture
from stylewav_pl.ranges import check_number
from stylewav_pl.runs.members import members_of, voice_id
from stylewav_pl.runs.plan import Plan
from stylewav_pl.types import AudioError, Clip, ClipBatch, CohortResult

OnStep: TypeAlias = Callable[[int, list[Image.Image], list[float]], object]
MOST_FACES = 10_000  # of one recording


def generate(
    audio: Recording | Sequence[Recording],
    *,
    sample_rate: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    count: int = 1,
    start: str | Start | None = None,
    generator: str | Path | None = None,
    guide: str | Path | None = None,
    audio_encoder: str | Path | None = None,
    prompts: Sequence[str] = (),
    text: str | Sequence[str] = (),
    text_weight: float = 1.0,
    negative: str | Sequence[str] = (),
    mix: Sequence[Prompt] | None = None,
    window: str | None = None,
    seconds: float | None = None,
    device: str = "auto",
    side_by_side: int | None = None,
    on_step: OnStep | None = None,
    **model: Any,
) -> Face | list[Face]:
    """Makes faces that sound like recordings; the same ones as ``stylewav-pl generate``, and no file.

    Networks are loaded at the first call and kept for the next ones. It can be called from any thread.

    Args:
        audio: A path; samples ``[time]`` or ``[time, channel]`` with a rate, ``(array, rate)``; or a list of
            these. Whole numbers are taken by the range of their type.
        sample_rate: In Hz, of arrays that come without a rate.
        steps: Optimisation steps; 0 with ``start="prior"``: what the prior draws.
        seed: Decides everything random, together with a recording's name (``recording`` for an array).
        count: Faces for each recording, called ``id#1``, ``id#2`` ...; the first is the one that ``count=1``
            gives.
        start: ``mean``, ``samples``, ``prior``, or a :class:`~stylewav_pl.optimisation.start.Start`.
        generator: Registry name or weight file.
        guide: Registry name, weight file or ``open_clip:MODEL/TAG[@FILE]``; by default the one that the audio
            encoder was trained against.
        audio_encoder: Registry name or weight file.
        prompts: Texts that each face is scored with by the guide.
        text: What faces should also show (``"a smiling person"``), one or several.
        text_weight: How strongly, beside the voice, which has 1.
        negative: What faces should not show, one or several.
        mix: All prompts that faces are moved by, in place of the voice and these texts.
        window: Of longer recordings: ``first``, ``center``, ``loudest`` or ``mean-of-windows``.
        seconds: Longest excerpt of a recording.
        device: ``cpu``, ``cuda``, ``cuda:1`` ...; ``auto``: a GPU where there is one.
        side_by_side: Faces that are made at once, 8 by default; with more of them ``on_step`` sees one group
            after the other.
        on_step: Called with the step, the images so far and their similarities, before each step and at the
            end; where it returns ``True`` these images are the result.
        **model: Other settings of :class:`~stylewav_pl.module.StyleWav`: ``latent_space``, ``objective``,
            ``combine``, ``guides``, ``views``, ``layers``, ``identity`` (a source), ``optimizer``,
            ``schedule``, ``refinement``, ``early_stop``, ``noise``, ``speed``, ``frame_steps``,
            ``preprocess``.

    Returns:
        One face for one recording; a list for a list or a ``count`` above 1, the faces of a recording
        together.

    Raises:
        AudioError: Recordings cannot be used; all are named, and nothing was made.
        ConfigError: A setting is wrong, or two contradict each other.
        WeightsError: A network cannot be loaded.
    """
    several = isinstance(audio, list) or (isinstance(audio, tuple) and not is_with_rate(audio))
    recordings = list(cast(Sequence[Recording], audio)) if several else [cast(Recording, audio)]
    check_number("count", count, least=1, most=MOST_FACES)
    asked = Asked(
        steps=steps,
        seed=seed,
        start=start,
        generator=generator,
        guide=guide,
        audio_encoder=audio_encoder,
        device=device,
        side_by_side=side_by_side,
        model=with_words(model, voice_and_words(text, text_weight, negative), mix),
    )
    excerpt = asked_window(window, seconds)
    # whatever the caller has switched off around the call
    with torch.inference_mode(False), torch.enable_grad():
        settings, networks = prepare(asked)
        ids, clips = listed(recordings, sample_rate)
        sounds = read_all(ids, clips, networks.audio.sample_rate, excerpt)
        members = [member for id in sounds for member in members_of(clips[id][1], count)]
        settings["start"].check_count(count)
        made: dict[str, Face] = {}
        if members:
            size = min(side_by_side or defaults().side_by_side, len(members))
            system = build_system(settings, networks, size, asked.place)
            waves = {clip.id: sounds[voice_id(clip)] for clip in members}
            batches = batches_of(members, waves, size, excerpt.averaged(networks.audio.sample_rate))
            for batch in batches:
                made |= faces_of(system, batch.to(asked.place), networks, prompts, on_step)
    faces = [made[clip.id] for id in ids for clip in members_of(clips[id][1], count)]
    return faces if several or count > 1 else faces[0]


def batches_of(
    members: Sequence[Clip], waves: Mapping[str, Sound], size: int, averaged: int | None
) -> Iterator[ClipBatch]:
    """Yields cohorts, as the command would plan them."""
    clips = {clip.id: clip for clip in members}
    for cohort in Plan(size).extended(clips).cohorts:
        yield assemble(cohort, clips, [waves[id] for id in cohort.ids], averaged)


def faces_of(
    system: StyleWav, batch: ClipBatch, networks: Networks, prompts: Sequence[str], on_step: OnStep | None
) -> dict[str, Face]:
    """Optimises one cohort without a trainer.

    Raises:
        AudioError: A clip has no face: its target or its optimisation left the finite numbers.
    """
    optimizer = system.configure_optimizers()

    def descend(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    watched = Watched(on_step, batch.live, system.recipe.num_steps)
    result = system.optimize(batch, optimizer, descend, watched if on_step is not None else None)
    if result.skips:
        first = result.skips[0]
        raise AudioError(first.reason, "; ".join(map(str, result.skips)))
    scores = scores_of(result, networks, prompts)
    about = {"generator_sha256": networks.generator_sha256, **system.latent_metadata}
    return {
        clip.id: _face(result, row, watched.last_step, scores[row], about)
        for row, clip in enumerate(result.clips)
    }


@torch.no_grad()
def scores_of(result: CohortResult, networks: Networks, prompts: Sequence[str]) -> list[dict[str, float]]:
    """Returns the cosine of each image with each text."""
    if not prompts:
        return [{} for _ in result.clips]
    texts = networks.guide.embed_text(list(prompts))
    cosines = (result.embeddings.to(texts) @ texts.T).tolist()
    return [dict(zip(prompts, row, strict=True)) for row in cosines]


def _face(
    result: CohortResult, row: int, last_step: int, scores: dict[str, float], about: dict[str, str]
) -> Face:
    clip = result.clips[row]
    frames = zip(result.frame_steps, result.frames[row], strict=True)
    return Face(
        image=to_picture(result.images[row]),
        latent=result.latents[row].detach().cpu().clone(),
        curve=tuple(result.curves[row].tolist()[: last_step + 1]),
        frames={step: to_picture(frame) for step, frame in frames if step <= last_step},
        scores=scores,
        id=clip.id,
        path=clip.path,
        seed=result.seeds[row],
        about=about,
        tuning=result.tuning,
    )


class Watched:
    """Shows each step to the caller: pictures and numbers of the slots that hold a clip.

    Attributes:
        last_step: The step whose images are the result.
    """

    def __init__(self, on_step: OnStep | None, live: Sequence[int], num_steps: int) -> None:
        self.on_step, self.live, self.last_step = on_step, list(live), num_steps

    def __call__(self, step: int, images: Tensor, similarities: Tensor) -> bool:
        """See :data:`~stylewav_pl.optimisation.cohort.StepWatch`."""
        if self.on_step is None:
            return False
        pictures = [to_picture(image) for image in images[self.live]]
        stops = self.on_step(step, pictures, similarities[self.live].tolist()) is True
        if stops:
            self.last_step = step
        return stops
