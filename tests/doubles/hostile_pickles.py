"""Writers of small weight files that ask for much memory or time, each in another way; nothing in them calls
anything.

Each repeats something that it has written once and keeps every result, or says with few bytes what takes many
steps. The parts are instructions of the pickle format, see Python's ``pickletools``.
"""

import io
import struct
import zipfile
from collections.abc import Callable

MANY = 4000
TEXT = "".join(chr(256 + index) for index in range(40_000))  # all different: a set of them is large
LATIN = "x" * 200_000
START, END, MARK, LIST, TUPLE = b"\x80\x02", b".", b"(", b"l", b"t"
REDUCE, BUILD, DICT, OBJ, ONE, TWO, THREE, EMPTY = b"R", b"b", b"d", b"o", b"\x85", b"\x86", b"\x87", b")"


def text(value: str) -> bytes:
    content = value.encode()
    return b"X" + struct.pack("<I", len(content)) + content


def data(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def long(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8b" + struct.pack("<i", len(content)) + content


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def forgotten(*parts: bytes) -> bytes:
    """Values that only the memo keeps."""
    return b"".join(part + put(index) + b"0" for index, part in enumerate(parts))


def called(function: bytes, *arguments: bytes) -> bytes:
    return function + MARK + b"".join(arguments) + TUPLE + REDUCE


def kept(parts: bytes | list[bytes], before: bytes = b"") -> bytes:
    """A pickle of a list that keeps every part."""
    repeated = b"".join(parts) if isinstance(parts, list) else parts * MANY
    return START + before + MARK + repeated + LIST + END


def doubled(value: bytes, times: int = 200) -> bytes:
    """Tuples of two the same: written out, or compared with others like it, 2 ** ``times`` values."""
    return value + b"2\x86" * times


NUMBERS = MARK + b"".join(number(index) for index in range(20_000)) + LIST
NUMBER_TUPLE = MARK + b"".join(number(index) for index in range(20_000)) + TUPLE
PAIRS = MARK + b"".join(number(index) + b"N" + TWO for index in range(5000)) + LIST
FLOAT = called(name("numpy", "dtype"), text("f4"), number(0), number(1)) + (
    MARK + number(3) + text("<") + b"NNN" + number(-1) + number(-1) + number(0) + TUPLE + BUILD
)
SET, ENCODE = name("builtins", "set"), name("_codecs", "encode")
FROM_BUFFER = name("numpy.core.numeric", "_frombuffer")
RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct")
REBUILD = name("torch._utils", "_rebuild_tensor_v2")
ARRAY = called(FROM_BUFFER, get(0), get(1), number(50_000) + ONE, text("C"))
FLOATS = data(bytes(200_000))
PERSISTENT = name("torch_utils.persistence", "_reconstruct_persistent_obj")


def items(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return MARK + b"".join(key + value for key, value in pairs) + DICT


def persistent(class_name: bytes, *state: tuple[bytes, bytes]) -> bytes:
    meta = [
        (text("type"), text("class")),
        (text("class_name"), class_name),
        (text("state"), items(list(state))),
    ]
    return called(PERSISTENT, items(meta))


def legacy(value: bytes, keys: bytes) -> bytes:
    """A torch file of the older format."""
    machine = items([(text("little_endian"), b"\x88")])
    magic = START + b"\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + END
    return magic + b"".join(START + part + END for part in (number(1001), machine, value, keys))


def stored(before: bytes = b"") -> bytes:
    """A storage of 25,000 numbers as a file of its own, as NVIDIA's pickles hold it."""
    file = legacy(before + storage("0", 25_000), MARK + text("0") + LIST)
    return file + struct.pack("<Q", 25_000) + bytes(100_000)


def storage(key: str, count: int) -> bytes:
    """What torch's persistent id names."""
    kind = name("torch", "FloatStorage")
    return MARK + text("storage") + kind + text(key) + text("cpu") + number(count) + TUPLE + b"Q"


def repeated_number(key: str) -> bytes:
    """A tensor that shows one number a million times."""
    return called(REBUILD, storage(key, 1), number(0), number(1 << 20) + ONE, number(0) + ONE, b"\x89")


def zipped(pickle: bytes, records: dict[str, bytes], *more: str) -> bytes:
    """A torch archive; ``more`` names further entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net/data.pkl", pickle)
        for key, content in records.items():
            archive.writestr(f"net/data/{key}", content)
        for entry in more:
            archive.writestr(entry, b"")
    return buffer.getvalue()


def overlapping(count: int) -> bytes:
    """A program archive of which all records are the same bytes."""
    keys = [f"{index:06d}" for index in range(count)]
    tensors = [
        called(REBUILD, storage(key, 50_000), number(0), number(50_000) + ONE, number(1) + ONE, b"\x89")
        for key in keys
    ]
    module = called(name("__torch__", "X")) + items(
        [(text(key), tensor) for key, tensor in zip(keys, tensors, strict=True)]
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net/data.pkl", START + module + BUILD + END)
        archive.writestr("net/constants.pkl", START + b"N" + END)
        archive.writestr(f"net/data/{keys[0]}", bytes(200_000))
        first = archive.filelist[-1]
        for key in keys[1:]:
            again = zipfile.ZipInfo(f"net/data/{key}")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.file_size, again.compress_size = first.file_size, first.compress_size
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True  # type: ignore[attr-defined]  # so that the list of contents is written
    return buffer.getvalue()


def modules_in_modules() -> bytes:
    """A program archive of objects that hold each other twice, under names of a thousand characters."""
    long_name = "n" * 400
    inner = called(name("__torch__", "X")) + b"}" + BUILD
    for _ in range(60):
        inner = called(name("__torch__", "X")) + (
            MARK + text(f"a{long_name}") + inner + put(0) + text(f"b{long_name}") + get(0) + DICT + BUILD
        )
    return zipped(START + inner + END, {}, "net/constants.pkl")


KINDS: dict[str, Callable[[], bytes]] = {
    "set of a text": lambda: kept(called(SET, get(0)), forgotten(text(TEXT))),
    "frozenset of a text": lambda: kept(called(name("builtins", "frozenset"), get(0)), forgotten(text(TEXT))),
    "set of a list": lambda: kept(called(SET, get(0)), forgotten(NUMBERS)),
    "set of bytes": lambda: kept(called(SET, get(0)), forgotten(data(bytes(range(256)) * 500))),
    "set by INST": lambda: kept(MARK + get(0) + b"ibuiltins\nset\n", forgotten(NUMBERS)),
    "set by OBJ": lambda: kept(MARK + SET + get(0) + OBJ, forgotten(NUMBERS)),
    "torch.Size of a tuple": lambda: kept(called(name("torch", "Size"), get(0)), forgotten(NUMBER_TUPLE)),
    "torch.Size of a text": lambda: kept(called(name("torch", "Size"), get(0)), forgotten(text(LATIN))),
    "encoded text": lambda: kept(called(ENCODE, get(0), text("latin1")), forgotten(text(LATIN))),
    "OrderedDict of pairs": lambda: kept(
        called(name("collections", "OrderedDict"), get(0)), forgotten(PAIRS)
    ),
    "EasyDict of pairs": lambda: kept(called(name("dnnlib.util", "EasyDict"), get(0)), forgotten(PAIRS)),
    "array of a text": lambda: kept(ARRAY, forgotten(text(LATIN), FLOAT)),
    "array whose state comes again": lambda: kept(
        called(RECONSTRUCT, b"N")
        + (MARK + number(1) + number(50_000) + ONE + get(1) + b"\x89" + get(0) + TUPLE + BUILD) * 20,
        forgotten(text(LATIN), FLOAT),
    ),
    "arrays of the same bytes": lambda: (
        START
        + forgotten(FLOATS, FLOAT)
        + items(
            [
                (
                    text("g_ema"),
                    items(
                        [(text("conv1.conv.weight"), ARRAY), (text("input.input"), ARRAY)]
                        + [(text(f"style.{index}.weight"), ARRAY) for index in range(MANY)]
                    ),
                )
            ]
        )
        + END
    ),
    "lists of the same numbers": lambda: (
        START
        + forgotten(NUMBERS)
        + items(
            [(text("g_ema"), items([(text("conv1.conv.weight"), get(0)), (text("input.input"), get(0))]))]
        )
        + END
    ),
    "storages of the same bytes": lambda: kept(
        called(name("torch.storage", "_load_from_bytes"), get(0)),
        forgotten(data(stored())),
    ),
    "pickles inside pickles": lambda: kept(
        called(name("torch.storage", "_load_from_bytes"), get(0)),
        forgotten(data(stored(b"N0" * 50_000))),
    ),
    "one number as a million, zip": lambda: zipped(
        kept([repeated_number(str(index)) for index in range(MANY)]),
        {str(index): bytes(4) for index in range(MANY)},
    ),
    "one number as a million, legacy": lambda: (
        legacy(
            MARK + b"".join(repeated_number(str(index)) for index in range(MANY)) + LIST,
            MARK + b"".join(text(str(index)) for index in range(MANY)) + LIST,
        )
        + bytes(12 * MANY)
    ),
    "keys of a torch file that double": lambda: legacy(b"N", MARK + doubled(b"N") + doubled(b"N") + LIST),
    "class name that doubles": lambda: START + persistent(doubled(text("C"))) + END,
    "encoding that doubles": lambda: START + called(ENCODE, text("x"), doubled(text("u"))) + END,
    "type of numbers that doubles": lambda: START + called(name("numpy", "dtype"), doubled(text("f"))) + END,
    "labels that double": lambda: (
        START
        + persistent(
            text("Generator"),
            (
                text("_modules"),
                items(
                    [
                        (text("mapping"), persistent(text("M"), (text("_modules"), b"}"))),
                        (
                            text("synthesis"),
                            persistent(text("S"), (text("_modules"), items([(text("b4"), b"N")]))),
                        ),
                    ]
                ),
            ),
            (text("c_dim"), doubled(text("x"))),
        )
        + END
    ),
    "settings that double": lambda: (
        START
        + called(name("dnnlib.tflib.network", "Network"))
        + items(
            [
                (text("static_kwargs"), items([(text("label_size"), doubled(number(1)))])),
                (text("build_func_name"), doubled(text("f"))),
                (text("variables"), MARK + text("4x4/Const/const") + b"N" + TWO + LIST),
            ]
        )
        + BUILD
        + END
    ),
    "empty sets": lambda: b"\x80\x04" + MARK + b"\x8f" * 400_000 + LIST + END,
    "empty lists": lambda: START + MARK + b"]" * 400_000 + LIST + END,
    "empty dictionaries": lambda: START + MARK + b"}" * 400_000 + LIST + END,
    "marks": lambda: START + MARK * 400_000 + END,
    "places in the memo": lambda: b"\x80\x04N" + b"\x94" * 400_000 + END,
    "instructions": lambda: START + b"N0" * 500_000 + END,
    "names": lambda: kept(b"c__builtin__\nset\n" * 20),
    "tuples in tuples": lambda: START + doubled(b"N", 200_000) + END,
    "equal long keys": lambda: (
        START + forgotten(text(LATIN)) + items([(text(LATIN), b"N")] + [(get(0), b"N")] * MANY) + END
    ),
    "long numbers as keys": lambda: (
        START + forgotten(long(1 << 400_000)) + items([(get(0), b"N")] * MANY) + END
    ),
    "numbers that share a place": lambda: (
        START + items([(long((index + 1) * ((1 << 61) - 1)), b"N") for index in range(8 * MANY)]) + END
    ),
    "calls with many arguments": lambda: kept(
        name("numpy", "dtype") + get(0) + REDUCE,
        forgotten(MARK + text("f4") + number(0) * 20_000 + TUPLE),
    ),
    "program of equal records": lambda: overlapping(MANY),
    "program of objects that double": modules_in_modules,
    "list of contents": lambda: zipped(START + b"N" + END, {}, *(f"net/{index}" for index in range(80_000))),
}
"""Content of each kind of file by its name."""
