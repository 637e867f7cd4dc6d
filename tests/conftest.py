"""Fixtures: the course, its notebooks, the reference solution. No test reaches the network."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before NumPy is imported: test processes share the cores

import matplotlib as mpl
import nbformat
import pytest
from nbformat import NotebookNode

mpl.use("Agg")
if not os.environ.get("MNIST_DIR"):
    os.environ["AUTOGRADER_DATASET"] = "digits"

from autograder import assignments
from autograder.examiner.sandbox import Isolation, why_not

ROOT = Path(__file__).parents[1]
NO_SANDBOX = why_not()
ISOLATION: Isolation = "process" if NO_SANDBOX else "sandbox"
ACCURACIES = {
    entry.check: entry
    for name in assignments.names()
    for entry in importlib.import_module(f"autograder.assignments.{name}.checks").ACCURACIES
}
FUNCTION_CHECKS = [c for c in assignments.all_checks().values() if c.name not in ACCURACIES]


def whole_package(directory: Path) -> str:
    """Copy the package to ``directory``, and return code that makes all of it importable in a kernel that sees it.

    For tests that run the catalogue of mistakes where a student's functions run: kernels do not see it.
    """
    shutil.copytree(Path(assignments.__file__).parents[1], directory / "autograder")
    return (
        "import sys, autograder\n"
        f"autograder.__path__.append({str(directory / 'autograder')!r})\n"
        "for name in [n for n in sys.modules if n.startswith('autograder.assignments')]:\n"
        "    del sys.modules[name]\n"
    )


@functools.cache
def load_solution(assignment: str) -> ModuleType:
    """Import the reference solution of an assignment."""
    path = ROOT / "reference" / assignment / "solution.py"
    spec = importlib.util.spec_from_file_location(f"{assignment}_solution", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def released() -> NotebookNode:
    return nbformat.read(ROOT / "release" / "dropout" / "dropout.ipynb", as_version=4)


@pytest.fixture
def source() -> NotebookNode:
    return nbformat.read(ROOT / "source" / "dropout" / "dropout.ipynb", as_version=4)


@pytest.fixture
def solved(released: NotebookNode, source: NotebookNode) -> NotebookNode:
    """The released notebook with the reference solutions written in."""
    answers = {
        c.id: c.source for c in source.cells if c.metadata.get("nbgrader", {}).get("solution")
    }
    for cell in released.cells:
        cell.source = answers.get(cell.id, cell.source)
    return released


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the small data set, here and in kernels that are started from here."""
    monkeypatch.setenv("AUTOGRADER_DATASET", "digits")
    from autograder.student import datasets

    datasets.load.cache_clear()
    yield
    datasets.load.cache_clear()
