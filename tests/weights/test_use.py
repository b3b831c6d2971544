"""Published weights as a user meets them: accepted, fetched, listed, verified, and named in a
configuration."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stylewav_pl.cli import main
from stylewav_pl.commands import weights as command
from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import load_generator
from stylewav_pl.weights import registry
from stylewav_pl.weights.open_clip_name import OpenClipName
from stylewav_pl.weights.remote import RemoteWeights

GENERATOR = Path(registry.ENTRIES[0].locate())


@pytest.fixture(autouse=True)
def published(site, tmp_path, monkeypatch):
    """A site that publishes the pocket generator under NVIDIA's licence, and an empty cache."""
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    site.files["/net.safetensors"] = GENERATOR.read_bytes()
    entry = RemoteWeights(
        "some-net",
        "generator",
        "nvidia-stylegan2",
        "a net",
        "net.safetensors",
        (f"{site.url}/net.safetensors",),
    )
    for module in (registry, command):
        monkeypatch.setattr(module, "ENTRIES", (*registry.ENTRIES[:3], entry))
    return entry


def state(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["weights", "list", "--json"]) == 0
    (fact,) = [fact for fact in json.loads(capsys.readouterr().out) if fact["name"] == "some-net"]
    return fact["state"]


def test_accept_fetch_list_verify(published, site, capsys):
    assert state(capsys) == "-"
    assert main(["weights", "fetch", "some-net"]) == 2
    assert "no commercial use" in capsys.readouterr().err
    assert main(["weights", "fetch", "some-net", "--accept-licence", "nvidia-stylegan2"]) == 0
    assert capsys.readouterr().out.strip() == str(published.path)
    assert state(capsys) == "verified"
    assert main(["weights", "verify"]) == 0
    assert "some-net: whole, SHA-256 " in capsys.readouterr().out
    published.path.write_bytes(b"something else")
    assert state(capsys) == "not verified"
    assert main(["weights", "verify", "some-net"]) == 2
    assert "not the expected file" in capsys.readouterr().err
    assert state(capsys) == "-"
    assert len(site.asked) == 1


def test_a_name_in_a_configuration_fetches_what_is_allowed(site, monkeypatch):
    with pytest.raises(WeightsError, match="must be accepted first"):
        load_generator("some-net")
    monkeypatch.setenv("STYLEWAV_ACCEPT_LICENCE", "nvidia-stylegan2")
    assert load_generator("some-net").resolution == load_generator(GENERATOR).resolution
    load_generator("some-net")
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "place", [["--offline", "weights", "fetch", "some-net"], ["weights", "fetch", "some-net", "--offline"]]
)
def test_offline_may_be_said_anywhere_and_ends_with_the_command(place, site, capsys, monkeypatch):
    monkeypatch.setenv("STYLEWAV_ACCEPT_LICENCE", "nvidia-stylegan2")
    assert main(place) == 2
    assert "put it at" in capsys.readouterr().err
    assert site.asked == []
    assert main(["weights", "fetch", "some-net"]) == 0


def test_any_clip_model_can_be_fetched_by_its_name(site, monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(
        OpenClipName, "locate", lambda self: asked.append((self.model, self.tag)) or tmp_path / "file"
    )
    assert main(["weights", "fetch", "open_clip:RN50/yfcc15m"]) == 0
    assert asked == [("RN50", "yfcc15m")]
    assert capsys.readouterr().out.strip() == str(tmp_path / "file")
    assert main(["weights", "fetch", "open_clip:RN50/no-such-tag"]) == 2


def test_listing_loads_no_network_library(repository):
    program = (
        "import sys; from stylewav_pl.cli import main; main(['weights', 'list']); "
        "sys.exit(bool({'torch', 'open_clip'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], cwd=repository, stdout=subprocess.DEVNULL, check=False
        ).returncode
        == 0
    )
