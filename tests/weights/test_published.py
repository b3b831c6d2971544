"""The facts in the registry fit together."""

import importlib.util
import re
from pathlib import Path

import pytest

from stylewav_pl.weights.licences import RESTRICTED
from stylewav_pl.weights.published import PUBLISHED


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_an_entry_is_complete(entry):
    assert entry.urls and all(url.startswith("https://") for url in entry.urls)
    assert entry.kind in ("generator", "image_text", "audio", "photo_encoder")
    assert entry.licence == "MIT" or entry.licence in RESTRICTED
    for hash in (entry.sha256, entry.reported_sha256):
        assert hash == "" or re.fullmatch("[0-9a-f]{64}", hash)
    assert len(entry.urls) == 1 or entry.sha256, "a mirror is only as good as the hash"


def test_no_two_entries_share_a_place():
    assert len({entry.path.parent for entry in PUBLISHED}) == len(PUBLISHED)


def test_clip_models_are_known_to_open_clip():
    spec = importlib.util.find_spec("open_clip")
    assert spec is not None and spec.origin is not None
    known = {path.stem for path in (Path(spec.origin).parent / "model_configs").glob("*.json")}
    named = [entry.name for entry in PUBLISHED if entry.kind == "image_text"]
    assert len(named) == 9
    assert all(name.removeprefix("open_clip:").removesuffix("/openai") in known for name in named)


def test_the_unexplained_second_hash_is_not_accepted():
    faces = next(entry for entry in PUBLISHED if entry.name == "ffhq-1024")
    assert faces.sha256 == "a205a346e86a9ddaae702e118097d014b7b8bd719491396a162cca438f2f524c"
