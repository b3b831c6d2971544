"""What words beside voices, and edits of given faces, do on the pocket networks, told by their judge."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import yaml
from jaxtyping import Bool, Float
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.data.loader import assemble
from stylewav_pl.data.sound import Sound
from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.embedders.identity import load_identity
from stylewav_pl.face.defaults import SPACES, defaults
from stylewav_pl.generators import load_generator
from stylewav_pl.installed import configs_directory
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.prompts import voice_and_words
from stylewav_pl.optimisation.start import Start
from stylewav_pl.pocket.faces import PROMPT_SETS, attributes_of
from stylewav_pl.runs.plan import Plan, stem_of
from stylewav_pl.training.nuisance import ANSWERS, answers_of, embed, random_faces
from stylewav_pl.types import Clip

COHORT = 20
JUDGE, IDENTITY = "pocket-judge", "pocket-identity"
SEX = ("male", "female")
ASKED = {  # text to the question and the answer that should arrive
    "a person with black hair": ("hair-colour", "black"),
    "a person with blond hair": ("hair-colour", "blond"),
    "a person with glasses": ("glasses", "with"),
    "a man with a beard": ("beard", "with"),
}


@dataclass(frozen=True)
class Judged:
    """What a judge sees in faces.

    Attributes:
        told: By question, the answer of each face.
        female: Whether it is nearer to a girl than to a boy.
        embedded: ``[face, embed]``.
    """

    told: dict[str, list[str]]
    female: Bool[Tensor, " face"]
    embedded: Float[Tensor, "face embed"]

    @property
    def without_sex(self) -> Float[Tensor, "face embed"]:
        """What it sees but for the direction in which women and men differ, at unit length."""
        mean, axis = random_women_and_men()
        centred = self.embedded - mean
        return F.normalize(centred - (centred @ axis)[:, None] * axis, dim=1)


@cache
def random_women_and_men() -> tuple[Float[Tensor, " embed"], Float[Tensor, " embed"]]:
    """Returns the mean of what the judge sees in random faces, and the direction from women to men."""
    judge, random = load_image_text_embedder(JUDGE), load_generator("pocket")
    z, images = random_faces(random, 400, 1.0)
    seen, male = embed(judge, images), attributes_of(z).sex > 0
    return seen.mean(dim=0), F.normalize(seen[male].mean(dim=0) - seen[~male].mean(dim=0), dim=0)


def judged(images: Float[Tensor, "face 3 size size"]) -> Judged:
    """Asks the judge."""
    judge: ImageTextEmbedder = load_image_text_embedder(JUDGE)
    embedded = embed(judge, images)
    told = answers_of(judge, embedded, images)
    words = {name: [ANSWERS[name][index] for index in indices.tolist()] for name, indices in told.items()}
    female = (embedded @ judge.embed_text(PROMPT_SETS["boy-girl"].prompts()).T).argmax(dim=1) == 1
    return Judged(words, female, embedded)


def voices(per_sex: int, seed: int = 0) -> tuple[BuiltinVoices, list[Clip]]:
    """Adults that no pocket network has heard: as many women as men."""
    source = BuiltinVoices(per_sex, seed=seed)
    return source, source.list_clips()


def faces(source: BuiltinVoices, clips: Sequence[Clip], **settings: Any) -> Float[Tensor, "face 3 size size"]:
    """Makes faces as ``generate`` does with words; ``settings`` of :class:`StyleWav` replace its own."""
    shipped = {**defaults(with_words=True).model, "frame_steps": ()}
    size = min(COHORT, len(clips))
    system = StyleWav.from_sources(cohort_size=size, **{**shipped, **settings})
    optimizer = system.configure_optimizers()

    def descend(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    by_id, images = {clip.id: clip for clip in clips}, []
    for cohort in Plan(size).extended(list(by_id)).cohorts:
        waves = [source.read(by_id[id], system.audio.sample_rate, Window()) for id in cohort.ids]
        sounds = [Sound(wave.numpy(), None) for wave in waves]
        result = system.optimize(assemble(cohort, by_id, sounds, None), optimizer, descend)
        images.append(result.images)
    return torch.cat(images)


def words_arrive(per_sex: int, weight: float, **settings: Any) -> dict[str, dict[str, float]]:
    """Shares of faces that show what a text asks for, and of those whose sex is still the voice's."""
    source, clips = voices(per_sex)
    plain = judged(faces(source, clips, **settings))
    female = torch.tensor([clip.labels["sex"] == "female" for clip in clips])
    rows = {"voices alone": {"sex as heard": share(plain.female == female)}}
    for text, (question, answer) in ASKED.items():
        chosen = ~female if answer == "with" and question == "beard" else torch.ones_like(female)
        some = [clip for clip, one in zip(clips, chosen.tolist(), strict=True) if one]
        found = judged(faces(source, some, prompts=voice_and_words(text, weight), **settings))
        before = [one for one, of in zip(plain.told[question], chosen.tolist(), strict=True) if of]
        rows[text] = {
            "without the text": share_of(before, answer),
            "with it": share_of(found.told[question], answer),
            "sex as heard": share(found.female == female[chosen]),
        }
    return rows


def kept_away(per_sex: int, **without: Any) -> dict[str, float]:
    """Shares of faces with glasses: at settings under which they are as usual, and with the negative text."""
    source, clips = voices(per_sex)
    female = torch.tensor([clip.labels["sex"] == "female" for clip in clips])
    rows = {}
    for name, settings in (
        ("without the text", without),
        ("with it", {"prompts": voice_and_words(negative="a person with glasses")}),
    ):
        found = judged(faces(source, clips, **settings))
        rows[name] = share_of(found.told["glasses"], "with")
        rows[f"sex as heard, {name}"] = share(found.female == female)
    return rows


def nearer(before: Float[Tensor, "face embed"], after: Float[Tensor, "face embed"]) -> float:
    """Mean share of the other given faces that are farther from a face than its edit is."""
    own, others = (after * before).sum(dim=1)[:, None], before @ before.T
    apart = ~torch.eye(len(before), dtype=torch.bool)
    return float(((others < own) & apart).sum() / apart.sum())


def edited(
    per_sex: int,
    measured_by: str | Path = IDENTITY,
    seed: int = 0,
    moved_by: str | None = None,
    **settings: Any,
) -> dict[str, float]:
    """Given faces, each edited by a voice of the other sex: shares that change, and what stays.

    Args:
        per_sex: Voices.
        measured_by: An identity network; one in no loss says most.
        seed: Of voices and given faces: settings are chosen on others than are reported.
        moved_by: A prior that moves them in the first step.
        settings: Of :class:`StyleWav`.
    """
    source, clips = voices(per_sex, seed)
    system = StyleWav.from_sources(cohort_size=1)
    random = torch.Generator().manual_seed(77 + seed)
    w = system.generator.map(torch.randn(20 * per_sex, system.generator.z_dim, generator=random))
    origin = []
    with torch.no_grad():
        seen = judged(torch.cat([system.generator.synthesize(part) for part in w.split(20)]))
    pools = {sex: w[seen.female == (sex == "male")] for sex in SEX}  # a face of the other sex than the voice
    took = {sex: 0 for sex in SEX}
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            sex = clip.labels["sex"]
            origin.append(pools[sex][took[sex]])
            took[sex] += 1
            save_file({"latent": origin[-1].clone()}, Path(folder) / f"{stem_of(clip.id)}.safetensors")
        images = faces(source, clips, start=Start(latent=folder, moved_by=moved_by), **settings)
    with torch.no_grad():
        given = torch.cat([system.generator.synthesize(part) for part in torch.stack(origin).split(20)])
        before = judged(given)
        network = load_identity(measured_by)
        whose = [network.embed_identity(part) for part in (given, images)]
    after = judged(images)
    rows = {"changed sex": share(before.female != after.female)}
    rows["nearer than strangers, by the judge"] = nearer(before.embedded, after.embedded)
    rows["nearer than strangers, by the judge without sex"] = nearer(before.without_sex, after.without_sex)
    rows["nearer than strangers, by identity"] = nearer(*whose)
    for name in ("glasses", "hair-colour", "skin", "background"):
        same = [a == b for a, b in zip(before.told[name], after.told[name], strict=True)]
        rows[f"same {name}"] = sum(same) / len(same)
    return rows


def share(which: Bool[Tensor, " face"]) -> float:
    """Of those that are true."""
    return float(which.float().mean())


def share_of(found: Sequence[str], answer: str) -> float:
    """Of those with this answer."""
    return found.count(answer) / len(found)


def edit_settings() -> dict[str, Any]:
    """Those of ``configs/edit.yaml`` but its start."""
    model = yaml.safe_load((configs_directory() / "edit.yaml").read_text("utf-8"))["model"]
    named = {name: model[name] for name in ("identity", "layers") if model.get(name) is not None}
    return {
        **named,
        "moved_by": model["start"].get("moved_by"),
        "latent_space": SPACES[model["latent_space"]](),
        "objective": Objective(**model["objective"]),
        "optimizer": partial(torch.optim.Adam, **model["optimizer"]["init_args"]),
        "num_steps": model["num_steps"],
    }


def measure(per_sex: int, weight: float, measured_by: str) -> dict[str, Any]:
    """All of it, with the settings of ``generate`` and ``edit.yaml``."""
    began = time.perf_counter()
    many_glasses = {"start": defaults().model["start"], "objective": defaults().model["objective"]}
    return {
        "voices": 2 * per_sex,
        "words beside voices": words_arrive(per_sex, weight),
        "a person with glasses, negative": kept_away(per_sex, **many_glasses),
        "given faces edited by voices of the other sex": edited(per_sex, measured_by, **edit_settings()),
        "seconds": time.perf_counter() - began,
    }
