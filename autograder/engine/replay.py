"""How does a test decide which random numbers a student function draws?

A real :class:`numpy.random.Generator` is built whose next doubles are the ones we choose, so that a
mask which PyTorch drew can be replayed through the ``rng`` that a student function receives. Nothing
is patched: the Mersenne Twister outputs its 624 state words one after another, each after an
invertible scrambling ("tempering"), and a double is made of two of them (Matsumoto & Nishimura,
*Mersenne Twister*, 1998). Undoing the scrambling gives the state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autograder.student.generators import ANY_SEED, copied

STATE_WORDS = 624
MAX_DOUBLES = STATE_WORDS // 2


def generator_drawing(doubles: NDArray[np.float64]) -> np.random.Generator:
    """Return a generator whose ``random()`` yields ``doubles`` first, in C order.

    Parameters
    ----------
    doubles:
        At most 312 float64 values in [0, 1), of any shape; kept to 53 bits as ``random`` makes them.

    Raises
    ------
    ValueError
        If there are more than 312 values or one is outside [0, 1).
    """
    values = np.asarray(doubles, dtype=np.float64).ravel()
    if values.size > MAX_DOUBLES:
        raise ValueError(f"at most {MAX_DOUBLES} doubles can be replayed, got {values.size}")
    if ((values < 0) | (values >= 1)).any():
        raise ValueError("doubles must lie in [0, 1)")
    integers = np.full(MAX_DOUBLES, 2**52, dtype=np.uint64)
    integers[: values.size] = np.floor(values * 2.0**53).astype(np.uint64)
    words = np.empty(STATE_WORDS, dtype=np.uint64)
    words[0::2] = (integers >> np.uint64(26)) << np.uint64(5)
    words[1::2] = (integers & np.uint64(2**26 - 1)) << np.uint64(6)
    bits = np.random.MT19937(ANY_SEED)
    bits.state = {
        "bit_generator": "MT19937",
        "state": {"key": _untemper(words).astype(np.uint32), "pos": 0},
    }
    return np.random.Generator(bits)


def generator_keeping(keep: NDArray[np.bool_], p: float) -> np.random.Generator:
    """Return a generator for which ``rng.random(keep.shape) >= p`` equals ``keep``.

    Parameters
    ----------
    keep:
        Boolean mask of at most 312 units, True where a unit is kept.
    p:
        Drop probability, strictly between 0 and 1.
    """
    return generator_drawing(np.where(keep, (1 + p) / 2, p / 2))


def same_stream(one: np.random.Generator, other: np.random.Generator) -> bool:
    """Tell whether two generators would draw the same numbers next (neither is advanced)."""
    first, second = (copied(g).integers(2**63, size=4) for g in (one, other))
    return bool(np.array_equal(first, second))


def _untemper(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Invert the tempering of MT19937, which is y ^= y>>11; y ^= y<<7&b; y ^= y<<15&c; y ^= y>>18."""
    y = words ^ (words >> np.uint64(18))
    y = y ^ ((y << np.uint64(15)) & np.uint64(0xEFC60000))
    low = y
    for _ in range(4):  # each round recovers 7 more bits
        low = y ^ ((low << np.uint64(7)) & np.uint64(0x9D2C5680))
    y = low & np.uint64(0xFFFFFFFF)
    return np.asarray(y ^ (y >> np.uint64(11)) ^ (y >> np.uint64(22)))
