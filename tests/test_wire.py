"""Does the wire carry plain data faithfully, and refuse everything else cleanly?"""

from __future__ import annotations

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.assignments.dropout.misconceptions import NoisyClassifier
from autograder.examiner import wire
from autograder.examiner.wire import Token, WireError

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
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
        Evil(), lambda: 0, object(), {1, 2}, b"bytes", 1j, np.array([object()]), np.array(["text"]),
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
        wire.loads(b'["o", "os.system", ["d", []]]', own=True)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_value_or_a_clean_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        wire.loads(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["a", "s", "d", "t", "l", "i", "f", "g", "p", "k", "o", "<f8", "|O", "|V8", "<M8"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=20,
)  # fmt: skip


@given(json_values)
@settings(max_examples=400, deadline=None)
def test_any_json_gives_a_value_or_a_clean_error(value: object) -> None:
    with contextlib.suppress(WireError):
        wire.loads(json.dumps(value).encode())


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_messages_give_a_value_or_a_clean_error(data: st.DataObject) -> None:
    good = bytearray(
        wire.dumps([np.random.default_rng(0), np.random.Generator(np.random.MT19937(1)), np.eye(2)])
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(32, 126))
    try:
        value = wire.loads(bytes(good))
    except WireError:
        return
    for item in value if isinstance(value, list) else []:
        if isinstance(item, np.random.Generator):
            item.random(3)


@pytest.mark.parametrize(
    "message",
    [
        b"[" * 100_000,
        b'["i", "0x' + b"f" * 10_000 + b'"]',
        b"1" * 10_000,
        b"1e999",
        b"NaN",
        b'["a", "<f8", [1000000000, 1000000000], ""]',
        b'["a", "<f8", [-1], ""]',
        b'["a", "<f8", [true], "AAAAAAAAAAA="]',
        b'["a", "|O", [1], "AAAAAAAAAAA="]',
        b'["a", "<f8,<f8", [0], ""]',
        b'["g", ["d", [["bit_generator", "MT19937"]]]]',
        b'["p", "0x1", "-0x1", "0x0", "0x0"]',
        b'["p", "0x1", "0x1", "0x0", "0x1ffffffff"]',
        b'["p", "0x1", "0x1", "0x0", "zero"]',
        b'["d", [[["l", []], 1]]]',
        b'["d", [[1]]]',
    ],
)
def test_hostile_messages(message: bytes) -> None:
    with pytest.raises(WireError):
        wire.loads(message)
