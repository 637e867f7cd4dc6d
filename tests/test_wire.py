"""Does the wire carry plain data faithfully, and refuse everything else cleanly?"""

from __future__ import annotations

import contextlib
import math
import struct

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.student import wire
from autograder.student.networks.dropout import NoisyClassifier
from autograder.student.wire import Kind, Token, WireError

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | hnp.arrays(
        st.sampled_from(["float64", "float32", "int64", "uint8", "bool", ">f8", "float16"]),
        hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other or (one != one and other != other)


@given(values)
@settings(max_examples=150, deadline=None)
def test_values_arrive_as_they_were_sent(value: object) -> None:
    assert same(wire.loads(wire.dumps(value)), value)


@pytest.mark.parametrize("name", wire.BIT_GENERATORS)
def test_generators_go_on_where_they_were(name: str) -> None:
    rng = np.random.Generator(getattr(np.random, name)(7))
    rng.random(5)
    rng.integers(0, 10, dtype=np.uint32)
    copy = wire.loads(wire.dumps(rng))
    assert np.array_equal(copy.random(100), rng.random(100))


def test_numpy_scalars_and_special_floats() -> None:
    back = wire.loads(wire.dumps([np.float32(1.5), math.nan, -math.inf, np.bool_(True)]))
    assert type(back[0]) is np.float32
    assert math.isnan(back[1])
    assert back[2] == -math.inf
    assert back[3] is np.True_


class Evil:
    def __reduce__(self):
        return (print, ("executed",))

    def __array__(self, *args, **kwargs):
        raise RuntimeError("executed")

    def __eq__(self, other):
        raise RuntimeError("executed")

    __hash__ = None


@pytest.mark.parametrize(
    "value",
    [
        Evil(), lambda: 0, object(), {1, 2}, range(3), 1j, np.array([object()]), np.array(["text"]),
        np.ma.masked_array([1.0]), np.array([1.0]).view(np.recarray), np.longdouble(1),
        type("Float", (float,), {})(1.0), type("Int", (int,), {})(1), 1 << 5000,
    ],
)  # fmt: skip
def test_what_cannot_be_carried_stays_behind(value: object) -> None:
    with pytest.raises(WireError):
        wire.dumps(value)
    kept: list[object] = []

    def keep(v: object) -> int:
        kept.append(v)
        return len(kept) - 1

    back = wire.loads(wire.dumps((value, 1), keep))
    assert isinstance(back[0], Token)
    assert kept[back[0].number] is value
    assert back[1] == 1


def test_own_dataclasses_travel_only_towards_the_student() -> None:
    message = wire.dumps(NoisyClassifier(np.eye(2), 0.5))
    assert wire.loads(message, own=True).p == 0.5
    with pytest.raises(WireError):
        wire.loads(message)
    with pytest.raises(WireError):
        wire.loads(message_of(extension(Kind.OBJECT, ["os.system", {}])), own=True)
    with pytest.raises(WireError):
        wire.loads(
            message_of(extension(Kind.OBJECT, [wire.OWN + "networks.dropout.Nothing", {}])),
            own=True,
        )


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_value_or_a_clean_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        wire.loads(data)


def extension(kind: int, *contents: object, raw: bytes = b"") -> msgpack.ExtType:
    """Return an extension type that contains values, or raw bytes."""
    return msgpack.ExtType(kind, b"".join(map(msgpack.packb, contents)) + raw)


def message_of(text: object, arrays: bytes = b"") -> bytes:
    """Return a message with any MessagePack text."""
    packed = text if isinstance(text, bytes) else msgpack.packb(text)
    return wire.LENGTH.pack(len(packed)) + packed + arrays


extensions = st.integers(0, 10)
texts = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5)
    | st.sampled_from(["MT19937", "bit_generator", "state", "key", "pos"])
    | st.builds(msgpack.ExtType, extensions, st.binary(max_size=40))
    | st.builds(
        lambda dtype, shape: msgpack.ExtType(Kind.ARRAY, dtype + struct.pack(f"<{len(shape)}q", *shape)),
        st.sampled_from([b"<f8", b"|b1", b"|O8", b"<M8", b"|V8"]), st.lists(st.integers(-1, 4), max_size=3),
    ),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    | st.builds(extension, extensions, inner),
    max_leaves=20,
)  # fmt: skip


@given(texts, st.binary(max_size=100))
@settings(max_examples=500, deadline=None)
def test_any_text_gives_a_value_or_a_clean_error(text: object, arrays: bytes) -> None:
    with contextlib.suppress(WireError):
        wire.loads(message_of(text, arrays))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_messages_give_a_value_or_a_clean_error(data: st.DataObject) -> None:
    good = bytearray(
        wire.dumps([np.random.default_rng(0), np.random.Generator(np.random.MT19937(1)), np.eye(2)])
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        value = wire.loads(bytes(good))
    except WireError:
        return
    for item in value if isinstance(value, list) else []:
        if isinstance(item, np.random.Generator):
            item.random(3)


def nested(kind: Kind, depth: int) -> bytes:
    text = msgpack.packb([])
    for _ in range(depth):
        text = msgpack.packb(msgpack.ExtType(kind, text))
    return text


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xff\xff\xff",
        message_of(b""),
        message_of(b"\x91" * 100_000),
        message_of(b"\xdd\xff\xff\xff\xff"),
        message_of(nested(Kind.TUPLE, 40)),
        message_of(nested(Kind.TUPLE, 5_000)),
        message_of(b"\x90" * (wire.MAX_TEXT + 1)),
        message_of([1], b"left over"),
        message_of(extension(Kind.INTEGER, raw=b"1" * 10_000)),
        message_of(extension(Kind.ARRAY, raw=b"<f8" + struct.pack("<2q", 10**9, 10**9))),
        message_of(extension(Kind.ARRAY, raw=b"<f8" + struct.pack("<q", -1))),
        message_of(extension(Kind.ARRAY, raw=b"<f8" + b"123")),
        message_of(extension(Kind.ARRAY, raw=b"<f8" + struct.pack("<40q", *[1] * 40)), b"1" * 8),
        message_of(extension(Kind.ARRAY, raw=b"|O8" + struct.pack("<q", 1)), b"1" * 8),
        message_of(extension(Kind.ARRAY, raw=b"")),
        message_of(extension(Kind.SCALAR, raw=b"<f8" + struct.pack("<q", 1)), b"1" * 8),
        message_of(extension(Kind.GENERATOR, {"bit_generator": "MT19937"})),
        message_of(extension(Kind.GENERATOR, {"bit_generator": "RandomState"})),
        message_of(extension(Kind.PCG64, raw=b"short")),
        message_of(extension(Kind.TOKEN, [True, "bool"])),
        message_of(extension(Kind.TOKEN, ["1", "text"])),
        message_of(extension(Kind.TUPLE, "no list")),
        message_of(extension(Kind.TUPLE, [], [])),
        message_of(extension(100, 1)),
        message_of(b"\x81\x90\x01"),  # a dict whose key is a list
    ],
    ids=lambda m: m[:20].hex(),
)  # fmt: skip
def test_hostile_messages(message: bytes) -> None:
    with pytest.raises(WireError):
        wire.loads(message)


def test_what_is_nested_too_deeply_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(WireError):
        wire.dumps(loop)
    deep: tuple[object, ...] = ()
    for _ in range(100):
        deep = (deep,)
    with pytest.raises(WireError):
        wire.dumps(deep)
    wire.loads(wire.dumps(deep, lambda _value: 0))
