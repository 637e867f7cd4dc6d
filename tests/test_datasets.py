"""Are images found, verified, and never silently replaced?"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autograder.student import datasets
from autograder.student.datasets import DatasetError, load

MNIST = os.environ.get("MNIST_DIR")
needs_mnist = pytest.mark.skipif(not MNIST, reason="MNIST_DIR is not set")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AUTOGRADER_DATASET", raising=False)
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No MNIST_DIR, an empty cache, and mirrors that refuse at once."""
    import pooch

    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path)
    monkeypatch.setattr(datasets, "MIRRORS", ("http://127.0.0.1:9/",))


@needs_mnist
def test_mnist() -> None:
    data = load("mnist")
    assert data.train_x.shape == (60_000, 784)
    assert data.test_x.shape == (10_000, 784)
    assert data.train_x.dtype == np.float32
    assert data.train_x.min() == 0
    assert data.train_x.max() == 1
    assert np.bincount(data.test_y).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert data.note == ""


@needs_mnist
def test_a_part_of_the_training_images() -> None:
    few = load("mnist", n_train=100)
    assert few.train_x.shape == (100, 784)
    assert np.array_equal(few.train_x, load("mnist").first(100).train_x)


@needs_mnist
def test_raw_files_are_accepted_and_damaged_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in Path(str(MNIST)).glob("*.gz"):
        (tmp_path / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    monkeypatch.setenv("MNIST_DIR", str(tmp_path))
    assert load().name == "mnist"
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    content = bytearray(labels.read_bytes())
    content[100] ^= 1
    labels.write_bytes(content)
    load.cache_clear()
    with pytest.raises(DatasetError, match="checksum differs"):
        load()
    labels.unlink()
    with pytest.raises(DatasetError, match=r"t10k-labels-idx1-ubyte .* is not there"):
        load()


def test_a_file_that_is_not_gzip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    monkeypatch.setenv("MNIST_DIR", str(tmp_path))
    with pytest.raises(DatasetError, match="is not the MNIST file"):
        load()


@pytest.mark.usefixtures("unreachable")
def test_fallback_says_so_in_one_line() -> None:
    data = load()
    assert data.name == "digits"
    assert "using scikit-learn's 8×8 digits instead" in data.note
    assert "\n" not in data.note
    assert data.train_x.shape == (1200, 64)
    assert len(data.test_x) == 597
    assert data.train_x.max() == 1


@pytest.mark.usefixtures("unreachable")
def test_insisting_on_mnist_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRADER_DATASET", "mnist")
    with pytest.raises(DatasetError, match="Set MNIST_DIR to a folder that has it"):
        load()


def test_digits_can_be_asked_for() -> None:
    data = load("digits")
    assert (data.name, data.note, data.side) == ("digits", "", 8)
    with pytest.raises(ValueError, match="no data set is called 'cifar'"):
        load("cifar")


def test_the_package_does_not_need_torch_until_a_check_is_used() -> None:
    code = (
        "import sys, autograder.check, autograder.student.training, autograder.student.datasets, autograder.student.figures\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
