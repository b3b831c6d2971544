"""Weights inside another project's wheel: found without importing it, checked by hash, read inertly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stylewav_pl.commands import weights as weights_command
from stylewav_pl.embedders import load_audio_embedder
from stylewav_pl.embedders.speaker import SpeakerEncoder, SpeakerHead
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights import registry
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.store import save_weights

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a small fake of the wheel on the path; returns its weight file."""

    def install(content: object = None) -> Path:
        site = tmp_path / "site"
        (site / "tinyspeaker").mkdir(parents=True)
        (site / "tinyspeaker" / "__init__.py").write_text("raise RuntimeError('must not be imported')")
        (site / "tinyspeaker-1.0.dist-info").mkdir()
        (site / "tinyspeaker-1.0.dist-info" / "METADATA").write_text("Name: tinyspeaker\nVersion: 1.0\n")
        file = site / "tinyspeaker" / "weights.pt"
        torch.manual_seed(0)
        encoder = SpeakerEncoder(hidden=5, width=6, layers=2)
        torch.save(content or {"step": 3, "model_state": encoder.state_dict()}, file)
        monkeypatch.syspath_prepend(site)
        register(sha256_of(file))
        return file

    def register(sha256: str) -> None:
        entry = replace(
            registry.SPEAKER_ENCODER, package="tinyspeaker", file="tinyspeaker/weights.pt", sha256=sha256
        )
        others = [other for other in registry.ENTRIES if other.name != "resemblyzer"]
        monkeypatch.setattr(registry, "SPEAKER_ENCODER", entry)
        for module in (registry, weights_command):
            monkeypatch.setattr(module, "ENTRIES", (*others, entry))

    register("0" * 64)
    return install


def head_file(path: Path, sha256: str, inputs: int = 6) -> Path:
    head = SpeakerHead(inputs=inputs, hidden=4, embed_dim=8, members=2)
    config = {**head.config, "encoder_sha256": sha256}
    save_weights(path, kind="audio", architecture="speaker", config=config, tensors=head.state_dict())
    return path


def test_a_head_finds_its_encoder_without_importing_the_wheel(install: Install, tmp_path: Path) -> None:
    encoder = install()
    embedder = load_audio_embedder(head_file(tmp_path / "head", sha256_of(encoder)))
    embedded = embedder.embed_audio([torch.randn(20_000) * 0.1, torch.randn(9000) * 0.1])
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(2))


def test_a_missing_wheel_is_named_with_the_command_that_brings_it(install: Install, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"pip install --no-deps resemblyzer"):
        load_audio_embedder(head_file(tmp_path / "head", "0" * 64))
    assert registry.choose_ear("pocket-auto") == "pocket"


def test_where_the_wheel_is_it_is_preferred(install: Install) -> None:
    install()
    assert registry.choose_ear("pocket-auto") == "pocket-speaker"
    assert registry.choose_ear("pocket") == "pocket"


def test_another_file_is_refused(install: Install, tmp_path: Path) -> None:
    file = install()
    known = sha256_of(file)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(WeightsError, match="another file than expected"):
        load_audio_embedder(head_file(tmp_path / "head", known))


def test_a_head_of_another_encoder_is_refused(install: Install, tmp_path: Path) -> None:
    encoder = install()
    with pytest.raises(WeightsError, match="trained on another speaker encoder"):
        load_audio_embedder(head_file(tmp_path / "head", "1" * 64))
    with pytest.raises(WeightsError, match="takes 5 numbers, the speaker encoder gives 6"):
        load_audio_embedder(head_file(tmp_path / "head", sha256_of(encoder), inputs=5))


def test_a_wheel_without_the_network_is_named(install: Install, tmp_path: Path) -> None:
    encoder = install({"step": 3})
    with pytest.raises(WeightsError, match="model_state"):
        load_audio_embedder(head_file(tmp_path / "head", sha256_of(encoder)))


def test_lists_and_verifies(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    weights_command.run("weights", ["list"])
    assert "pip install --no-deps resemblyzer" in capsys.readouterr().out
    file = install()
    weights_command.run("weights", ["list"])
    assert "installed" in capsys.readouterr().out
    weights_command.run("weights", ["verify", "resemblyzer"])
    assert sha256_of(file) in capsys.readouterr().out
