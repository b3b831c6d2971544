"""Files that want to run something, fill the memory or crash the reader: nothing runs, and each gives one
readable error."""

import os
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from published_stylegan2 import (
    dump,
    nvidia_generator,
    rosinality_state,
    write_ada,
    write_rosinality,
    write_tensorflow,
)
from safetensors.torch import save_file
from slow_stylegan2 import random_values

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import load_generator

TINY = random_values([2, 1], z=2, w=3, depth=1)
WRITERS = {
    "ada": write_ada,
    "tensorflow": write_tensorflow,
    "rosinality": write_rosinality,
    "rosinality-legacy": partial(write_rosinality, zipped=False),
}


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.pkl"


@pytest.fixture
def trace(tmp_path):
    """A file that exists as soon as anything hostile was run."""
    trace = tmp_path / "trace"
    yield trace
    assert not trace.exists()


def calls(trace):
    return {
        "system": Call(os.system, f"touch {trace}"),
        "Popen": Call(subprocess.Popen, ["touch", str(trace)]),
        "eval": Call(eval, f"open({str(trace)!r}, 'w')"),
        "exec": Call(exec, f"open({str(trace)!r}, 'w')"),
        "open": Call(open, str(trace), "w"),
        "getattr": Call(getattr, "", "join"),
        "__import__": Call(__import__, "os"),
        "loads": Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {trace}"))),
        "partial": Call(partial, os.system, f"touch {trace}"),
        "_load_global_deps": Call(torch._load_global_deps),
        "bytearray": Call(bytearray, 1 << 40),
    }


def refuse(path, match):
    with pytest.raises(WeightsError, match=match) as caught:
        load_generator(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", calls(Path()))
def test_a_call_is_refused_by_name(name, protocol, path, trace):
    path.write_bytes(pickle.dumps(calls(trace)[name], protocol))
    refuse(path, rf"asks for \w+\.{name}.* nothing of it was run")


def test_a_name_cannot_speak_to_the_terminal(path):
    path.write_bytes(b"\x80\x02c\x1b[2J\x1b[31mos\nsystem\x07\n.")
    with pytest.raises(WeightsError, match=r"asks for \?\[2J\?\[31mos\.system\?,") as caught:
        load_generator(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["system", "Popen", "eval"])
def test_a_call_beside_a_good_network_is_refused(name, path, trace):
    dump(path, {"G_ema": nvidia_generator(TINY), "augment_pipe": calls(trace)[name]})
    refuse(path, name)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["system", "Popen", "eval", "bytearray"])
def test_a_call_in_a_torch_file_is_refused(name, zipped, path, trace):
    write_rosinality(path, TINY, zipped, args=calls(trace)[name])
    refuse(path, name)


def test_the_source_of_a_persistent_class_is_not_run(path, trace):
    write_ada(path, TINY, source=f"open({str(trace)!r}, 'w')")
    load_generator(path)


def legacy_storage(value):
    """A torch file of the older format around ``value``, without numbers."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    return b"".join(pickle.dumps(part, 2) for part in (*head, value, []))


@pytest.mark.parametrize("form", ["pickle", "legacy", "zip"])
def test_a_pickle_inside_a_storage_is_refused(form, path, trace, tmp_path):
    evil = calls(trace)["system"]
    match form:
        case "pickle":
            content = pickle.dumps(evil)
        case "legacy":
            content = legacy_storage(evil)
        case "zip":
            torch.save(evil, tmp_path / "inner.pt")
            content = (tmp_path / "inner.pt").read_bytes()
    dump(path, {"G_ema": nvidia_generator(TINY), "x": Call(torch.storage._load_from_bytes, content)})
    refuse(path, "system" if form != "zip" else "damaged")


def test_a_storage_cannot_hold_a_storage_reader(path, trace):
    inner = Call(torch.storage._load_from_bytes, legacy_storage(calls(trace)["system"]))
    dump(path, Call(torch.storage._load_from_bytes, legacy_storage(inner)))
    refuse(path, r"torch\.storage\._load_from_bytes")


OPCODES = {
    "INST": (b"(S'touch x'\nios\nsystem\n.", r"os\.system"),
    "OBJ": (b"(cos\nsystem\nS'touch x'\no.", r"os\.system"),
    "OBJ-of-data": (b"\x80\x02(]o.", "a call of list"),
    "NEWOBJ_EX": (b"\x80\x04ccollections\nOrderedDict\n)}\x92.", "NEWOBJ_EX"),
    "STACK_GLOBAL": (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", r"os\.system"),
    "STACK_GLOBAL-of-numbers": (b"\x80\x04K\x01K\x02\x93.", "damaged"),
    "dotted-name": (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", r"numpy\.ndarray\.tofile"),
    "REDUCE-of-data": (b"\x80\x02])R.", "a call of list"),
    "REDUCE-of-type": (b"\x80\x02cnumpy\nndarray\n)R.", r"a call of numpy\.ndarray"),
    "BUILD": (b"\x80\x02]}b.", "state for a value of type list"),
    "BUILD-setstate": (
        b"\x80\x02cbuiltins\nset\n)R}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb.",
        r"os\.system",
    ),
    "EXT1": (b"\x80\x02\x82\x01.", "EXT1"),
    "EXT2": (b"\x80\x02\x83\x01\x00.", "EXT2"),
    "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
    "PERSID": (b"\x80\x02Pevil\n.", "persistent id"),
    "BINPERSID": (b"\x80\x02K\x01Q.", "persistent id"),
    "NEXT_BUFFER": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "object-array": (b"\x80\x02cnumpy\ndtype\n(X\x02\x00\x00\x00O8K\x00K\x01tR.", "'O8'"),
    "structured-array": (b"\x80\x02cnumpy\ndtype\n(X\x05\x00\x00\x00f4,f4K\x00K\x01tR.", "f4,f4"),
    "long-name": (b"\x80\x02c" + b"x" * 100_000 + b"\nsystem\n.", "asks for xxx"),
    "huge-bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.", "damaged"),
    "huge-text": (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.", "damaged"),
    "huge-frame": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.", "NoneType"),
    "huge-integer": (b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b"x.", "damaged"),
    "huge-memo-index": (b"\x80\x02Nr" + struct.pack("<I", (1 << 32) - 1) + b".", "NoneType"),
    "missing-memo": (b"\x80\x02h\x05.", "damaged"),
    "missing-mark": (b"\x80\x02NNt.", "damaged"),
    "empty-stack": (b"\x80\x02.", "damaged"),
    "no-end": (b"\x80\x02N", "damaged"),
    "unknown-opcode": (b"\x80\x02\xff.", "damaged"),
    "append-to-number": (b"\x80\x02K\x01K\x01a.", "damaged"),
    "odd-dictionary": (b"\x80\x02}(K\x01u.", "damaged"),
    "unhashable-key": (b"\x80\x02}]Ns.", "a key of type list"),
    "unhashable-member": (b"\x80\x04\x8f(]\x90.", "a key of type list"),
    "flood": (b"\x80\x02" + b"]" * 600_000 + b".", "more than (500,000 instructions|38 MB of memory)"),
    "deep-list": (b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".", "list"),
    "deep-tuple": (b"\x80\x02)" + b"\x85" * 100_000 + b".", "tuple"),
    "self-containing-list": (b"\x80\x02]q\x00h\x00a.", "list"),
    "doubling-key": (b"\x80\x02})" + b"2\x86" * 200 + b"Ns.", "a key of type tuple"),
}


@pytest.mark.parametrize("content", OPCODES.values(), ids=OPCODES)
def test_every_opcode_is_harmless(content, path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path.write_bytes(content[0])
    refuse(path, content[1])
    assert not (tmp_path / "x").exists()


class Array:
    """Pickles as an array of any claimed shape."""

    def __init__(self, shape, content, code="f4"):
        self.shape, self.content, self.code = shape, content, code

    def __reduce__(self):
        return (
            np.zeros(0).__reduce__()[0],
            (np.ndarray, (0,), b"b"),
            (1, self.shape, np.dtype(self.code), False, self.content),
        )


class View:
    """Pickles as a tensor of any claimed shape over a storage of three numbers."""

    def __init__(self, offset, shape, strides):
        self.arguments = (torch.zeros(3)._typed_storage(), offset, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, self.arguments


IMPOSSIBLE = {
    "array-too-large": Array((1 << 40,), b"1234"),
    "array-many-axes": Array((1,) * 40, b"1234"),
    "array-negative": Array((-1, -1), b"1234"),
    "array-overflow": Array((1 << 40, 1 << 40), b"1234"),
    "array-no-shape": Array(None, b"1234"),
    "array-of-objects": Array((1,), ["x"]),
    "tensor-repeated": View(0, (1 << 40,), (0,)),
    "tensor-beyond": View(2, (2,), (1,)),
    "tensor-far-strides": View(0, (2,), (1 << 40,)),
    "tensor-negative": View(-1, (2,), (1,)),
    "tensor-uneven": View(0, (2, 1), (1,)),
}


@pytest.mark.parametrize("value", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_arrays_are_refused(value, path):
    dump(path, {"G_ema": value})
    refuse(path, "damaged|array of objects")


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """The zip archive with each record ``name, content`` replaced by what ``change`` gives."""
    with zipfile.ZipFile(path) as archive:
        records = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in [pair for record in records for pair in change(*record)]:
            archive.writestr(name, content)


ZIPS = {
    "compressed": (lambda name, content: [(name, content)], zipfile.ZIP_DEFLATED),
    "bomb": (
        lambda name, content: [(name, b"\0" * 200_000_000 if name.endswith("data/0") else content)],
        zipfile.ZIP_DEFLATED,
    ),
    "short-record": (
        lambda name, content: [(name, content[:4] if "data/" in name else content)],
        zipfile.ZIP_STORED,
    ),
    "no-pickle": (
        lambda name, content: [] if name.endswith("data.pkl") else [(name, content)],
        zipfile.ZIP_STORED,
    ),
    "two-pickles": (lambda name, content: [(name, content), (f"x/{name}", content)], zipfile.ZIP_STORED),
    "missing-record": (
        lambda name, content: [] if name.endswith("data/1") else [(name, content)],
        zipfile.ZIP_STORED,
    ),
}


@pytest.mark.parametrize("kind", ZIPS)
def test_zip_archives_that_torch_did_not_write_are_refused(kind, path):
    write_rosinality(path, TINY)
    rewritten(path, *ZIPS[kind])
    refuse(path, "damaged")


def test_a_record_that_is_there_twice_is_refused(path):
    write_rosinality(path, TINY)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(next(name for name in archive.namelist() if name.endswith("data.pkl")), b"N.")
    refuse(path, "damaged")


def test_a_legacy_file_that_announces_more_than_it_holds_is_refused(path):
    write_rosinality(path, TINY, zipped=False)
    content = path.read_bytes()
    count = b"cpu" + content.split(b"cpu", 1)[1][:8]
    path.write_bytes(content.replace(count, b"cpuq\x05\x8a\x06" + (1 << 40).to_bytes(6, "little"), 1))
    refuse(path, "damaged")


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_cut_off_files_are_refused(write, path):
    write(path, TINY)
    content = path.read_bytes()
    for cut in sorted({0, 1, 2, 9, 20, *range(0, len(content) - 1, len(content) // 40)}):
        path.write_bytes(content[:cut])
        refuse(path, "damaged|empty file|a file that starts with")


def changed_state(name, value):
    return {"g_ema": {**rosinality_state(TINY), name: value}, "latent_avg": TINY.mean}


WRONG = {
    "shape": ("convs.0.conv.weight", torch.zeros(1, 1, 2, 5, 5), "expected"),
    "axes": ("to_rgb1.conv.weight", torch.zeros(()), "shape"),
    "nan": ("convs.1.activate.bias", torch.tensor([float("nan")]), "not finite, in convolutions.2.bias"),
    "infinity": ("input.input", torch.full((1, 2, 4, 4), float("inf")), "not finite, in constant"),
    "integers": ("style.1.bias", torch.zeros(3, dtype=torch.int64), "no plain numbers"),
    "sparse": ("style.1.weight", torch.zeros(3, 2).to_sparse(), "."),
    "text": ("style.1.bias", "text", "no plain numbers"),
    "none": ("noises.noise_0", None, "no plain numbers"),
    "no-resolution": ("to_rgbs.0.conv.weight", torch.zeros(0), "."),
    "kernel": ("convs.0.conv.blur.kernel", torch.rand(4, 4), "separable"),
    "odd-kernel": ("convs.0.conv.blur.kernel", torch.ones(3, 3), "layers differ in resampling filters"),
    "extra-level": ("to_rgbs.1.conv.weight", torch.zeros(1, 3, 1, 1, 1), r"lacks to_rgbs\.1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_named(name, path):
    key, value, expected = WRONG[name]
    torch.save(changed_state(key, value), path)
    refuse(path, expected)


def test_nan_in_a_pickle_is_named(path):
    write_tensorflow(path, TINY, extra=[("dlatent_avg", np.full(3, np.nan, np.float32))])
    refuse(path, "not finite, in w_mean")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html><html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
        b"\x80",
    ],
)
def test_what_is_no_network_is_named(content, path):
    path.write_bytes(content)
    words = {
        b"": "empty file",
        b"<": "web page",
        b"v": "Git LFS",
        b"\x1f": "gzip",
        b"P": "damaged",
        b"\x80": "damaged",
    }
    refuse(path, words[content[:1]])


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), name=st.sampled_from(sorted(WRITERS)))
def test_damaged_bytes_give_a_network_or_one_readable_error(data, name, path):
    if name not in ORIGINALS:
        WRITERS[name](path, TINY)
        ORIGINALS[name] = path.read_bytes()
    content = bytearray(ORIGINALS[name])
    # The last part of a damaged pickle is seldom reached, so half of the changes are made early.
    reach = data.draw(st.sampled_from([400, len(content)]))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, reach - 1))
        content[position : position + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(min_size=0, max_size=3)
        )
    path.write_bytes(content)
    try:
        load_generator(path)
    except WeightsError as error:
        assert str(path) in str(error)


ORIGINALS: dict[str, bytes] = {}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"architecture": "stylegan2", "config": "no JSON"},
        {"architecture": "stylegan2", "config": "[" * 100_000},
    ],
)
def test_damaged_metadata_are_named(metadata, path):
    save_file({"a": torch.zeros(1)}, path, {"format": "stylewav-pl", "kind": "generator", **metadata})
    refuse(path, "its metadata lack architecture or config")
