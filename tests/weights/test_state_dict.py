"""State dicts of other programs, whole, damaged and hostile."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.contents import read_contents
from stylewav_pl.weights.state_dict import load_into, read_state_dict


def _save(content: Any, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def test_every_container_gives_the_same_tensors(tmp_path: Path) -> None:
    tensors = {
        "a.weight": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor(3, dtype=torch.int64),
        "half": torch.ones(2).half(),
    }
    save_file(tensors, tmp_path / "safe")
    files = [
        tmp_path / "safe",
        _save(tensors, tmp_path / "zip"),
        _save(tensors, tmp_path / "legacy", _use_new_zipfile_serialization=False),
        _save(
            {"epoch": 1, "state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}},
            tmp_path / "nested",
        ),
    ]
    for file in files:
        found = read_state_dict(file)
        assert found.keys() == tensors.keys(), file
        assert all(
            torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype
            for name, tensor in tensors.items()
        ), file


class _Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.mark}",))


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_run(tmp_path: Path, zipped: bool) -> None:
    file = _save(
        {"weight": torch.zeros(1), "more": _Hostile(tmp_path / "ran")},
        tmp_path / "evil.pt",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(WeightsError, match=r"evil\.pt asks for posix\.system, .* nothing of it was run"):
        read_state_dict(file)
    (tmp_path / "bare").write_bytes(pickle.dumps(_Hostile(tmp_path / "ran")))
    with pytest.raises(WeightsError, match="bare"):
        read_state_dict(tmp_path / "bare")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("container", ["safe", "zip", "legacy"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.97])
def test_cut_off_files_give_one_readable_error(tmp_path: Path, container: str, kept: float) -> None:
    tensors = {"weight": torch.randn(200)}
    if container == "safe":
        save_file(tensors, tmp_path / container)
    else:
        _save(tensors, tmp_path / container, _use_new_zipfile_serialization=container == "zip")
    whole = (tmp_path / container).read_bytes()
    (tmp_path / container).write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(WeightsError, match=container):
        read_state_dict(tmp_path / container)


def test_a_web_page_in_place_of_the_file_is_shown(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_text("<!DOCTYPE html><html>Sign in</html>")
    with pytest.raises(WeightsError, match="is a web page: the download gave something else"):
        read_state_dict(tmp_path / "weights.pt")


ENDLESS: dict[str, Any] = {}
ENDLESS["state_dict"] = ENDLESS


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"epoch": 3}, torch.zeros(2), {}, ENDLESS])
def test_files_without_named_tensors_are_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(WeightsError, match="holds no tensors by name"):
        read_state_dict(_save(content, tmp_path / "weights.pt"))


def test_absurd_declared_sizes_are_refused(tmp_path: Path) -> None:
    endless = torch.zeros(1).expand(1 << 40)
    with pytest.raises(
        WeightsError, match=r"shape \[1099511627776\] does not fit the 1 numbers it is made of"
    ):
        read_state_dict(_save({"endless": endless}, tmp_path / "weights.pt"))


def test_a_network_takes_exactly_what_it_expects() -> None:
    network, weight, bias = nn.Linear(2, 1), torch.ones(1, 2).half(), torch.zeros(1)
    load_into(network, {"weight": weight, "bias": bias}, Path("file.pt"), "a line")
    assert network.weight.dtype == torch.float32 and network.weight.tolist() == [[1, 1]]
    for tensors in (
        {"weight": weight},
        {"weight": weight, "bias": bias, "more": bias},
        {"weight": weight.T, "bias": bias},
    ):
        with pytest.raises(WeightsError, match=r"file\.pt does not fit a line"):
            load_into(network, tensors, Path("file.pt"), "a line")
    with pytest.raises(WeightsError, match="not finite in bias"):
        load_into(network, {"weight": weight, "bias": bias / 0}, Path("file.pt"), "a line")


@pytest.mark.parametrize("container", ["bare", "zip", "legacy"])
def test_a_few_bytes_cannot_ask_for_much_memory(tmp_path: Path, container: str) -> None:
    zeros = type("Zeros", (), {"__reduce__": lambda self: (bytearray, (1 << 42,))})()
    if container == "bare":
        (tmp_path / container).write_bytes(pickle.dumps({"weight": zeros}))
    else:
        _save({"weight": zeros}, tmp_path / container, _use_new_zipfile_serialization=container == "zip")
    with pytest.raises(WeightsError, match=r"asks for (builtins|__builtin__)\.bytearray"):
        read_state_dict(tmp_path / container)


def test_one_storage_under_countless_names_is_refused(tmp_path: Path) -> None:
    """A small file could else ask for more memory than there is: every tensor is copied in the end."""
    large = torch.zeros(1 << 18)
    torch.save({f"tied.{name}": large[:] for name in range(16)}, tmp_path / "fine.pt")
    assert len(read_contents(tmp_path / "fine.pt")) == 16
    torch.save({f"layer.{name}": large[:] for name in range(17)}, tmp_path / "hostile.pt")
    with pytest.raises(WeightsError, match=r"the same 262,144 numbers are shown as tensors too often"):
        read_contents(tmp_path / "hostile.pt")
