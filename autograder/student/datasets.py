"""Where do the images come from? MNIST, or scikit-learn's small digits where MNIST is not to be had.

MNIST (LeCun, Cortes, Burges) is looked for in the directory named by ``MNIST_DIR``, then in the
download cache, then on the mirrors that PyTorch uses. Every file is accepted by checksum only.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.student.messages import _

# Name, SHA-256 of the official .gz file, SHA-256 of the decompressed content.
MNIST_FILES = (
    (
        "train-images-idx3-ubyte",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    (
        "train-labels-idx1-ubyte",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    (
        "t10k-images-idx3-ubyte",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    (
        "t10k-labels-idx1-ubyte",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
DOWNLOAD_TIMEOUT = 10  # seconds without an answer before the next mirror is tried


class DatasetError(RuntimeError):
    """A data set is missing, damaged or not the one that was asked for."""

    @classmethod
    def damaged(cls, path: Path) -> DatasetError:
        """A file is there but its content is not MNIST's."""
        return cls(_("{path} is not the MNIST file: its checksum differs.").format(path=path))

    @classmethod
    def missing(cls, name: str, where: Path) -> DatasetError:
        """A file is not where ``MNIST_DIR`` says."""
        return cls(
            _("MNIST_DIR names {where}, but {name} (or {name}.gz) is not there.").format(
                name=name, where=where
            )
        )

    @classmethod
    def unreachable(cls, reason: Exception) -> DatasetError:
        """No mirror could be reached."""
        return cls(
            _(
                "MNIST could not be downloaded ({reason}). Set MNIST_DIR to a folder that has it."
            ).format(reason=str(reason)[:200])
        )


@dataclass(frozen=True)
class Images:
    """A data set of grey images with labels.

    Attributes
    ----------
    name:
        ``"mnist"`` or ``"digits"``.
    train_x, test_x:
        float32 of shape (N, D), pixels scaled to [0, 1], row-major.
    train_y, test_y:
        int64 labels of shape (N,), from 0 to 9.
    side:
        Height and width of an image in pixels: D = side².
    note:
        A sentence that users must see, or an empty string.
    """

    name: str
    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]
    side: int
    note: str = ""

    def first(self, n_train: int) -> Images:
        """Return the same data set with only the first ``n_train`` training images."""
        return Images(
            self.name,
            self.train_x[:n_train],
            self.train_y[:n_train],
            self.test_x,
            self.test_y,
            self.side,
            self.note,
        )


@functools.cache
def load(name: str | None = None, n_train: int | None = None) -> Images:
    """Return a data set by name.

    Parameters
    ----------
    name:
        ``"mnist"`` insists on MNIST, ``"digits"`` takes scikit-learn's 8×8 digits, ``"auto"`` takes
        MNIST if it can be had and else the digits, with a note that says so. None means the
        environment variable ``AUTOGRADER_DATASET``, or ``"auto"`` if that is not set.
    n_train:
        Number of training images to take, the first ones; None means all.

    Raises
    ------
    DatasetError
        If MNIST was insisted on and cannot be had, or ``MNIST_DIR`` has a damaged or missing file.
    ValueError
        If there is no data set of that name.
    """
    images = _load(name or os.environ.get("AUTOGRADER_DATASET") or "auto", n_train)
    _training.extend((images.train_x, images.train_y))
    return images


_training: list[NDArray[Any]] = []


def is_training(array: Any) -> bool:
    """Tell whether this very array was handed out as training images or labels (never test ones)."""
    return any(array is known for known in _training)


def _load(name: str, n_train: int | None) -> Images:
    if name not in ("auto", "mnist", "digits"):
        raise ValueError(_("no data set is called {name!r}").format(name=name))
    if name == "digits":
        return _digits("", n_train)
    try:
        return _mnist(n_train)
    except DatasetError:
        if name == "mnist" or os.environ.get("MNIST_DIR"):
            raise
        return _digits(
            _("MNIST could not be had: using scikit-learn's 8×8 digits instead."), n_train
        )


def _mnist(n_train: int | None) -> Images:
    directory = os.environ.get("MNIST_DIR")
    read = (lambda *f: _from_directory(Path(directory), *f)) if directory else _from_mirrors
    train_x, train_y, test_x, test_y = (_parse_idx(read(*file)) for file in MNIST_FILES)
    return Images(
        "mnist", _pixels(train_x[:n_train], 255), train_y[:n_train].astype(np.int64),
        _pixels(test_x, 255), test_y.astype(np.int64), side=28,
    )  # fmt: skip


def _digits(note: str, n_train: int | None) -> Images:
    """The 1,797 digits of Alpaydin and Kaynak (1998) that scikit-learn bundles, 8×8 pixels."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    x, y = _pixels(bunch.images[order], 16), bunch.target[order].astype(np.int64)
    train = slice(0, 1200 if n_train is None else min(n_train, 1200))
    return Images("digits", x[train], y[train], x[1200:], y[1200:], side=8, note=note)


def _from_directory(directory: Path, name: str, _official: str, content_sha256: str) -> bytes:
    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            try:
                raw = path.read_bytes()
                content = gzip.decompress(raw) if path.suffix == ".gz" else raw
            except (OSError, EOFError) as error:
                raise DatasetError.damaged(path) from error
            if hashlib.sha256(content).hexdigest() != content_sha256:
                raise DatasetError.damaged(path)
            return content
    raise DatasetError.missing(name, directory)


def _from_mirrors(name: str, official_sha256: str, _content: str) -> bytes:
    import pooch

    reason: Exception = OSError("no mirror")
    for mirror in MIRRORS:
        try:
            path = pooch.retrieve(
                f"{mirror}{name}.gz",
                known_hash=f"sha256:{official_sha256}",
                fname=f"{name}.gz",
                path=pooch.os_cache("autograder") / "mnist",
                downloader=pooch.HTTPDownloader(progressbar=True, timeout=DOWNLOAD_TIMEOUT),
            )
            return gzip.decompress(Path(path).read_bytes())
        except (OSError, ValueError, EOFError) as error:
            reason = error
    raise DatasetError.unreachable(reason)


def _parse_idx(content: bytes) -> NDArray[np.uint8]:
    """Read the IDX format: a magic number whose last byte counts the big-endian dimensions."""
    n_dims = content[3]
    shape = np.frombuffer(content, ">u4", n_dims, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dims).reshape(tuple(shape))


def _pixels(images: NDArray[Any], white: int) -> NDArray[np.float32]:
    return (images.reshape(len(images), -1) / white).astype(np.float32)
