"""How a source names a model of the ``open_clip`` library, and where its weights lie.

======================================  ======================================================
``open_clip:MODEL/TAG``                 published weights, fetched once from the Hugging Face hub
``open_clip:MODEL/TAG@FILE``            the same weights from a file of one's own
``open_clip:MODEL@FILE``                other weights for the model, e.g. trained at home
======================================  ======================================================

``open_clip.list_pretrained()`` has all models and tags, e.g. ``ViT-B-32-quickgelu/openai``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.network import told
from stylewav_pl.weights.offline import is_offline

PREFIX = "open_clip:"
QUICKGELU = "-quickgelu"
FORMS = f"{PREFIX}MODEL/TAG, {PREFIX}MODEL/TAG@FILE or {PREFIX}MODEL@FILE"


@dataclass(frozen=True)
class OpenClipName:
    """One model with its weights.

    Attributes:
        model: As ``open_clip`` calls it, e.g. ``ViT-B-32-quickgelu``.
        tag: Which published weights, e.g. ``openai``; empty for others.
        file: Where the weights lie; ``None`` where ``open_clip`` knows.
    """

    model: str
    tag: str = ""
    file: Path | None = None

    @property
    def by_openai(self) -> str:
        """Returns the source that fetches OpenAI's own file of these weights, else nothing.

        It is the same whichever of the model's two names is written.
        """
        return (
            f"{PREFIX}{self.model.removesuffix(QUICKGELU)}{QUICKGELU}/openai"
            if self.tag == "openai" and self.file is None
            else ""
        )

    @property
    def facts(self) -> Mapping[str, Any]:
        """Tells what ``open_clip`` knows about the published weights: activation, normalisation, where from.

        Nothing about others.
        """
        from open_clip.pretrained import get_pretrained_cfg  # takes seconds

        facts: Mapping[str, Any] = get_pretrained_cfg(self.model, self.tag) if self.tag else {}
        return facts

    def locate(self) -> Path:
        """The weight file, fetched into the hub's cache if it is not there yet.

        Raises:
            WeightsError: There is no such file, or it cannot be fetched; the message says what to do by hand.
        """
        if self.file is None:
            return self._cached() or self._fetched()
        if not self.file.is_file():
            raise WeightsError(
                f"No weight file at {self.file}. Correct the path behind the @ of the open_clip model "
                f"{self.model}."
            )
        return self.file

    def _hub(self) -> tuple[str, list[str]]:
        """Repository, and names of its weight file, the best first."""
        from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

        repository, _, file = self.facts.get("hf_hub", "").rpartition("/")
        if not repository:
            raise WeightsError(
                f"open_clip has no hub address of {self.model}/{self.tag}. Fetch its file and write "
                f"{PREFIX}{self.model}/{self.tag}@FILE."
            )
        return repository, [str(Path(file).with_suffix(".safetensors")), file] if file else [
            HF_SAFE_WEIGHTS_NAME,
            HF_WEIGHTS_NAME,
        ]

    def _cached(self) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        repository, files = self._hub()
        found = (try_to_load_from_cache(repository, file) for file in files)
        return next((Path(path) for path in found if isinstance(path, str)), None)

    def _fetched(self) -> Path:
        from huggingface_hub import constants, hf_hub_download

        repository, files = self._hub()
        page = f"https://huggingface.co/{repository}"
        offline = is_offline()
        if not offline:
            print(
                f"Fetching the CLIP model {self.model}/{self.tag} from {page}; its licence is on that page."
            )
        for file in files:
            try:
                return Path(hf_hub_download(repository, file, local_files_only=offline))
            except (
                Exception
            ) as error:  # the hub's, the HTTP client's and the operating system's errors have no common base
                reason = one_line(ValueError(told(error, page)), 300)
        raise WeightsError(
            f"The CLIP model {self.model}/{self.tag} is not in {constants.HF_HUB_CACHE} and cannot be "
            f"fetched ({reason}). "
            f"With a network, download {page}/resolve/main/{files[0]} (or {files[1]}), copy it to this "
            "machine, "
            f"and write {PREFIX}{self.model}/{self.tag}@PATH_OF_THE_FILE."
        )


def parse_open_clip(source: str | Path) -> OpenClipName | None:
    """The model that a source names; ``None`` for sources of other kinds.

    Raises:
        WeightsError: The source has the prefix, but there is no such model or tag.
    """
    if not isinstance(source, str) or not source.startswith(PREFIX):
        return None
    from open_clip import list_models
    from open_clip.pretrained import list_pretrained_tags_by_model

    named, at, file = source.removeprefix(PREFIX).partition("@")
    model, tag = (
        (named, "")
        if named in list_models()
        else (named.rpartition("/")[0].replace("/", "-"), named.rpartition("/")[2])
    )
    if model not in list_models():
        raise WeightsError(
            f"open_clip has no model {model or named!r}. {_closest(model or named, list_models())} Expected "
            f"{FORMS}."
        )
    tags = list_pretrained_tags_by_model(model)
    if tag and tag.lower().replace("-", "_") not in tags:
        raise WeightsError(
            f"open_clip has no weights {tag!r} of {model}. It has: {', '.join(tags) or 'none'}. Expected "
            f"{FORMS}."
        )
    if not tag and not file:
        raise WeightsError(
            f"{source!r} does not say which weights: expected {FORMS}; tags of {model}: "
            f"{', '.join(tags) or 'none'}."
        )
    if at and not file:
        raise WeightsError(f"{source!r} has no file behind the @. Expected {FORMS}.")
    return OpenClipName(model, tag.lower().replace("-", "_"), Path(file).expanduser() if file else None)


def _closest(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, list(names), n=4, cutoff=0.4)
    return f"Did you mean {', '.join(close)}?" if close else "open_clip.list_models() has their names."
