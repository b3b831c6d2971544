"""Which networks a run uses: names of their files, and hashes, since a file may change under its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stylewav_pl.callbacks import ClipScore
from stylewav_pl.optimisation.prompts import Prompt
from stylewav_pl.session.finalize import Scoring
from stylewav_pl.session.first_start import encoder_of, prior_of
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import sha256_of


@dataclass(frozen=True)
class Networks:
    """The networks that a configuration names.

    Attributes:
        model: The section ``model`` of the configuration.
        clip_score: Names the judge.
        prompts: What images are moved by.
    """

    model: Any
    clip_score: ClipScore
    prompts: Sequence[Prompt] = ()

    @cached_property
    def weights(self) -> dict[str, dict[str, str]]:
        """Source and SHA-256 of each network's file, and of each file that is a prompt, read once.

        Networks built in place have neither, nor has a judge that is the guide.
        """
        judge = self.clip_score.judge_source if self.clip_score.texts else None
        sources = {
            "generator": ("generator", self.model["generator"]),
            "guide": ("image_text", self.model["guide"]),
            "audio": ("audio", self.model["audio"]),
            "prior": ("prior", prior_of(self.model)),
            "encoder": ("photo_encoder", encoder_of(self.model)),
            "identity": ("identity", self.model.get("identity")),
            "judge": ("image_text", judge),
        }
        for other in self.model.get("guides") or ():
            sources[f"guide {other['source']}"] = ("image_text", other["source"])
        networks = {
            name: {"source": source, "sha256": sha256_of(resolve(source, kind))}
            for name, (kind, source) in sources.items()
            if isinstance(source, str) and source != "linear"
        }
        files = [str(path) for prompt in self.prompts for path in prompt.files]
        return {
            **networks,
            **{f"prompt {name}": {"source": name, "sha256": sha256_of(Path(name))} for name in files},
        }

    @property
    def generator_sha256(self) -> str:
        """What the latents of a run are tied to; empty for a generator built in place."""
        return self._sha256("generator")

    def scoring(self, seed: int) -> Scoring:
        """Returns what the statistics need to know.

        Args:
            seed: Of the permutations.
        """
        guide, guide_sha256, judge_sha256 = (
            name_of(self.model["guide"]),
            self._sha256("guide"),
            self._sha256("judge"),
        )
        judge = guide if self.clip_score.judge_source is None else name_of(self.clip_score.judge_source)
        # the same file under another name is no second opinion
        if judge == guide or judge_sha256 == guide_sha256 != "":
            judge, judge_sha256 = guide, guide_sha256
        others = [other["source"] for other in self.model.get("guides") or ()]
        in_loss = {f"guide {name}": name for name in others}
        in_loss |= {"identity": name_of(self.model.get("identity"))}
        if same := [name for key, name in in_loss.items() if self._sha256(key) == judge_sha256 != ""]:
            judge = guide = same[0]  # what the notes then say is true of whatever is optimised against
        elif judge != guide:
            guide = " and ".join([guide, *others])
        return Scoring(self.clip_score.prompts, guide, judge, seed, judge_sha256)

    def _sha256(self, name: str) -> str:
        return self.weights.get(name, {}).get("sha256", "")


def name_of(network: Any) -> str:
    """Returns what a network is called in tables and reports: its source, or the class of a built one."""
    if isinstance(network, str):
        return network
    kind = type(network)
    return str(getattr(network, "class_path", f"{kind.__module__}.{kind.__qualname__}"))
