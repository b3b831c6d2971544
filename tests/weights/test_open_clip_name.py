"""Sources that name a model of open_clip, and where its weights are looked for."""

from pathlib import Path

import huggingface_hub
import pytest

from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.open_clip_name import OpenClipName, parse_open_clip
from stylewav_pl.weights.registry import entries_named, resolve

HUB = "models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("open_clip:ViT-B-32-quickgelu/openai", OpenClipName("ViT-B-32-quickgelu", "openai")),
        ("open_clip:ViT-B/32/openai", OpenClipName("ViT-B-32", "openai")),
        ("open_clip:ViT-B-32/laion2b-s34b-b79k", OpenClipName("ViT-B-32", "laion2b_s34b_b79k")),
        ("open_clip:RN50x64@my/own.pt", OpenClipName("RN50x64", "", Path("my/own.pt"))),
        (
            "open_clip:RN50/openai@/some where/a@b.pt",
            OpenClipName("RN50", "openai", Path("/some where/a@b.pt")),
        ),
        ("pocket", None),
        ("ViT-B-32/openai", None),
        (Path("open_clip:RN50/openai"), None),
    ],
)
def test_sources(source: str | Path, name: OpenClipName | None) -> None:
    assert parse_open_clip(source) == name


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("open_clip:ViT-B-23/openai", r"no model 'ViT-B-23'\. Did you mean .*ViT-B-32"),
        ("open_clip:", r"no model ''.*Expected open_clip:MODEL/TAG"),
        ("open_clip:ViT-B-32/opanai", r"no weights 'opanai' of ViT-B-32\. It has: openai, laion400m_e31"),
        ("open_clip:ViT-B-32", r"does not say which weights: .*tags of ViT-B-32: openai"),
        ("open_clip:ViT-B-32/openai@", "no file behind the @"),
        (
            "open_clip:ViT-B-32-quickgelu/laion2b_s34b_b79k",
            "no weights 'laion2b_s34b_b79k' of ViT-B-32-quickgelu",
        ),
    ],
)
def test_wrong_names_are_told_with_the_right_ones(source: str, told: str) -> None:
    with pytest.raises(WeightsError, match=told):
        parse_open_clip(source)


def test_a_file_of_ones_own_is_taken(tmp_path: Path) -> None:
    source = f"open_clip:RN50/openai@{tmp_path / 'own.pt'}"
    with pytest.raises(WeightsError, match=r"No weight file at .*own\.pt"):
        resolve(source, "image_text")
    (tmp_path / "own.pt").write_bytes(b"weights")
    assert resolve(source, "image_text") == tmp_path / "own.pt"
    with pytest.raises(WeightsError, match="is a CLIP model, but weights of kind 'audio'"):
        resolve(source, "audio")


@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_what_the_hub_has_cached_needs_no_network(
    hub: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = hub / HUB / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / file).write_bytes(b"weights")
    (hub / HUB / "refs").mkdir()
    (hub / HUB / "refs" / "main").write_text("0123")
    assert resolve("open_clip:ViT-B-32/laion2b_s34b_b79k", "image_text") == snapshot / file
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("switched_off", ["", "1"])
def test_without_a_network_the_message_says_what_to_fetch_and_where_to_put_it(
    hub: Path, switched_off: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STYLEWAV_OFFLINE", switched_off)
    with pytest.raises(WeightsError) as caught:
        resolve("open_clip:ViT-B-32/laion2b_s34b_b79k", "image_text")
    told = str(caught.value)
    assert str(hub) in told
    repository = "https://huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert f"{repository}/resolve/main/open_clip_model.safetensors" in told
    assert "write open_clip:ViT-B-32/laion2b_s34b_b79k@PATH_OF_THE_FILE" in told
    assert len(told) < 600 + 2 * len(str(hub))
    assert ("Fetching" in capsys.readouterr().out) is not bool(switched_off)


def test_plain_unknown_names_tell_how_open_clip_is_written() -> None:
    with pytest.raises(WeightsError, match="open_clip:MODEL/TAG@FILE"):
        resolve("ViT-B-32/openai", "image_text")


@pytest.mark.parametrize("name", ["ViT-B-32/openai", "ViT-B/32/OpenAI", "ViT-B-32-quickgelu/openai"])
def test_both_names_of_a_model_lead_to_openais_own_file(
    hub: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (known,) = entries_named(["open_clip:ViT-B-32-quickgelu/openai"])
    monkeypatch.setattr(type(known), "locate", lambda entry: tmp_path / entry.file)
    assert resolve(f"open_clip:{name}", "image_text") == tmp_path / "ViT-B-32.pt"
