"""Which data need not be sent? Training images, which every student's process reads from one directory.

The directory is mounted read-only. It holds arrays by the hash of their content, in NumPy's own format,
and is kept in the user's cache; nothing but training data is ever put there.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pooch
from numpy.typing import NDArray

from autograder.student import datasets


@functools.cache
def directory() -> Path:
    """Return the directory, made on first use: in the user's cache, or else a temporary one."""
    try:
        path = Path(pooch.os_cache("autograder")) / "training"
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path.resolve()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="autograder-training-")).resolve()


_places: dict[int, tuple[NDArray[Any], Path]] = {}


def place(array: NDArray[Any]) -> Path | None:
    """Return the file in which every student's process finds ``array``; None if it is not for them."""
    if not datasets.is_training(array):
        return None
    if id(array) not in _places:
        _places[id(array)] = (
            array,
            _stored(array),
        )  # holds on to the array, so its id stays its own
    return _places[id(array)][1]


def _stored(array: NDArray[Any]) -> Path:
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    path = directory() / f"{digest.hexdigest()[:40]}.npy"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=directory(), delete=False) as file:
            np.save(file, array, allow_pickle=False)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    return path
