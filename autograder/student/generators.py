"""How is a NumPy generator copied quickly?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray


class _AnySeed(ISeedSequence):
    """A seed for generators whose state is set right after: costs less than a random one."""

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        return np.ones(n_words, dtype)


ANY_SEED: Any = _AnySeed()


def copied(rng: np.random.Generator) -> np.random.Generator:
    """Return a generator in the same state, as ``copy.deepcopy`` does, in a fifth of its time."""
    bits: Any = type(rng.bit_generator)
    bits = bits(ANY_SEED)
    bits.state = rng.bit_generator.state
    return np.random.Generator(bits)
