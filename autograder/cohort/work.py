"""What is done for one submission, wherever that is? All that it needs travels, and all of its result.

A worker needs this package and the data set, but neither the course, nor its gradebook, nor its secret.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import sys
import sysconfig
import threading
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from autograder.engine.messages import _
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.grade import NotebookGrade
from autograder.examiner.kernel import Limits
from autograder.examiner.pipeline import grade_submission, ours
from autograder.examiner.sandbox import Isolation
from autograder.student import datasets

PACKAGES = (
    "numpy", "torch", "scikit-learn", "scipy", "pandas", "matplotlib", "ipython", "ipykernel", "nbformat",
)  # fmt: skip
_ONE_AT_A_TIME = threading.Lock()  # checks use NumPy's global generator and standard output


@dataclass(frozen=True)
class Work:
    """One submission to examine.

    Attributes
    ----------
    student, assignment:
        Whose and what it is.
    submitted:
        What was handed in, read within limits (:mod:`autograder.examiner.handed_in`), as JSON text.
    course:
        The text of the course's own notebook, with hidden tests.
    key:
        What the student's hidden cases are drawn from; see :func:`autograder.secret.student_key`.
    dataset:
        The data set to train on: ``"mnist"`` or ``"digits"``.
    limits, isolation:
        See :func:`autograder.examiner.examine.examine`.
    versions:
        See :func:`versions`; workers must have the same.
    """

    student: str
    assignment: str
    submitted: str
    course: str
    key: str
    dataset: str
    limits: Limits
    isolation: Isolation
    versions: str

    def address(self) -> str:
        """Return the name of the result: equal for equal work, done by the same versions on the same system."""
        parts = [*asdict(self).values(), system()]
        return hashlib.sha256(json.dumps(parts[1:]).encode()).hexdigest()


def examine_work(work: Work) -> NotebookGrade:
    """Examine one submission.

    Raises
    ------
    NoSandbox, DatasetError
        If this machine lacks what grading needs. What a submission holds never makes this raise.
    CouldNotGrade
        If it could not be graded, for a reason that is not its own.
    """
    with _ONE_AT_A_TIME, ours():
        here = versions()
        if work.versions != here:
            raise CouldNotGrade(
                _(
                    "a worker has other versions than the command ({theirs}; the command: {ours})"
                ).format(theirs=here, ours=work.versions)
            )
        if os.environ.get("AUTOGRADER_DATASET") != work.dataset:
            os.environ["AUTOGRADER_DATASET"] = work.dataset
            datasets.load.cache_clear()
        datasets.load(n_train=1)
        submitted = nbformat.from_dict(json.loads(work.submitted))
        return grade_submission(
            _course(work.course), submitted, work.assignment, work.key, work.limits, work.isolation
        )


@functools.lru_cache(maxsize=4)
def _course(text: str) -> NotebookNode:
    return nbformat.reads(text, as_version=4)


@functools.cache
def versions() -> str:
    """Return the versions of what grades: Python, this package's code, and the packages that it computes with."""
    names = [f"Python {sys.version.split()[0]}", f"autograder {code_digest()[:16]}"]
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            names.append(f"{package} {version(package)}")
    return ", ".join(names)


@functools.cache
def system() -> str:
    """Return what else decides on the last digits: the machine, and the BLAS that NumPy runs with on it.

    A BLAS that lies in the environment belongs to the version of its package. A system's own is upgraded without
    NumPy, so the content of its file counts. Either chooses its routines by the processor.
    """
    environment = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")]
    architectures, files = set(), set()
    for library in threadpool_info():
        if library["user_api"] == "blas":
            path = Path(library["filepath"]).resolve()
            architectures.add(str(library.get("architecture")))
            if not any(path.is_relative_to(folder) for folder in environment):
                with path.open("rb") as file:
                    files.add((str(path), hashlib.file_digest(file, "sha256").hexdigest()))
    build: Any = np.show_config(mode="dicts")
    facts = [
        platform.machine(), platform.libc_ver(), build.get("Build Dependencies"), sorted(architectures), sorted(files),
    ]  # fmt: skip
    return json.dumps(facts, sort_keys=True, default=str)


@functools.cache
def code_digest() -> str:
    """Return a digest of this package's code: another version may grade differently."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".json", ".mo"):
            digest.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return digest.hexdigest()
