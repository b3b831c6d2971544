"""TorchScript archives without their program."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.state_dict import read_state_dict
from stylewav_pl.weights.torchscript import is_torchscript

# Torch deprecates what OpenAI's files were written with: https://github.com/openai/CLIP
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


class _Node(nn.Module):
    padding: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.padding = [1, 2]

    def forward(self, value: Tensor) -> Tensor:
        return value


def write_archive(tensors: Mapping[str, Tensor], path: Path) -> Path:
    """A program whose module holds these tensors."""
    root = _Node()
    for name, tensor in tensors.items():
        *folders, last = name.split(".")
        node: nn.Module = root
        for folder in folders:
            if folder not in node._modules:
                node.add_module(folder, _Node())
            node = node.get_submodule(folder)
        node.register_buffer(last, tensor)
    torch.jit.save(torch.jit.script(root), str(path))
    return path


TENSORS = {
    "token.weight": torch.arange(6.0).reshape(2, 3),
    "visual.layer.0.narrow": torch.tensor([[1.5, -2.0]]).half(),
    "size": torch.tensor(224),
    "visual.turned": torch.arange(6.0).reshape(2, 3).T,
    "empty": torch.zeros(0, 4),
}


def test_tensors_come_by_their_names(tmp_path: Path) -> None:
    found = read_state_dict(write_archive(TENSORS, tmp_path / "archive"))
    assert found.keys() == TENSORS.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype
        for name, tensor in TENSORS.items()
    )


def test_plain_torch_files_are_no_archives_of_programs(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "plain")
    assert not is_torchscript(tmp_path / "plain")
    assert is_torchscript(write_archive(TENSORS, tmp_path / "archive"))


def _rewrite(path: Path, name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    (whole,) = [entry for entry in entries if entry.endswith(name)]
    with zipfile.ZipFile(path, "w") as archive:
        for entry, old in entries.items():
            archive.writestr(
                entry,
                content if entry == whole else old,
                compression if entry == whole else zipfile.ZIP_STORED,
            )


@pytest.mark.parametrize(
    "names", [("os", "system"), ("builtins", "eval"), ("torch.jit", "load"), ("torch", "load")]
)
def test_a_pickle_that_asks_for_anything_else_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    path = write_archive(TENSORS, tmp_path / "archive")
    _rewrite(path, "/data.pkl", b"\x80\x02c" + "\n".join(names).encode() + b"\nX\x04\x00\x00\x00true\x85R.")
    with pytest.raises(WeightsError, match=rf"asks for {names[0]}\.{names[1]}, .* nothing of it was run"):
        read_state_dict(path)


def test_compressed_and_miscounted_numbers_are_refused(tmp_path: Path) -> None:
    path = write_archive({"a": torch.zeros(4)}, tmp_path / "archive")
    _rewrite(path, "/data/0", bytes(16), zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="is compressed"):
        read_state_dict(path)
    _rewrite(path, "/data/0", bytes(12))
    with pytest.raises(WeightsError, match="16 bytes are announced where the file holds 12"):
        read_state_dict(path)
    _rewrite(path, "/data.pkl", pickle.dumps({"a": 1}, protocol=2))
    with pytest.raises(WeightsError, match="holds no tensors"):
        read_state_dict(path)


@pytest.mark.parametrize(
    "attack",
    [b"r\xff\xff\xff\x7f", b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x10\x85R", b"(" * 100_000],
)
def test_a_few_bytes_cannot_ask_for_much_memory(tmp_path: Path, attack: bytes) -> None:
    path = write_archive(TENSORS, tmp_path / "archive")
    _rewrite(path, "/data.pkl", b"\x80\x02}" + attack + b".")
    with pytest.raises(WeightsError, match="archive"):
        read_state_dict(path)


def test_objects_that_contain_each_other_come_to_an_end(tmp_path: Path) -> None:
    path = write_archive(TENSORS, tmp_path / "archive")
    _rewrite(
        path,
        "/data.pkl",
        b"\x80\x02c__torch__\nX\n)\x81q\x00}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00ub.",
    )
    with pytest.raises(WeightsError, match="nested too deeply"):
        read_state_dict(path)
