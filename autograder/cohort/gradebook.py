"""Who writes the gradebook? One writer, with nbgrader's own converter, which is given the examined notebooks.

So everything that nbgrader does around executing a notebook (timestamps, late penalties, checksums, comments,
manual scores) is done by nbgrader, with SQLite or any other database of its configuration.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import nbgrader.api
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.baseapp import NbGrader
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import setenv

from autograder.cohort.work import Done
from autograder.engine.messages import _
from autograder.nbgrader_plugins import EXAMINED, Examine

DONE_BEFORE = ("ClearOutput", "OverwriteKernelspec", "CheckCellMetadata")
"""Steps of nbgrader's converter that change nothing in a notebook which was rebuilt from the course's."""


class NotReady(RuntimeError):
    """The course cannot be graded as it is; the message says what to do."""


class OnePass(Autograde):  # type: ignore[misc]
    """nbgrader's converter for notebooks that were examined: with all its steps, but without a file in between."""

    def _init_preprocessors(self) -> None:
        self.exporter._preprocessors = []
        self.exporter.optimistic_validation = True  # after the last step instead of after each
        for step in (*self.sanitize_preprocessors, *self.autograde_preprocessors):
            self.exporter.register_preprocessor(step)

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Convert one notebook."""
        self._init_preprocessors()
        with setenv(NBGRADER_EXECUTION="autograde"):
            super(Autograde, self).convert_single_notebook(notebook_filename)


class Writer:
    """The gradebook of the course in the current directory, for one assignment."""

    def __init__(self, course: Path, assignment: str) -> None:
        """Read the course's configuration.

        Raises
        ------
        NotReady
            If the assignment is not in the gradebook, or nbgrader is not configured to use the examiner.
        """
        self._app = NbGrader()
        self._app.log_level = logging.ERROR
        with inside(course):
            self._app.initialize([])
        self._app.log.setLevel(logging.CRITICAL)
        self.assignment = assignment
        self.directory = CourseDirectory(parent=self._app)
        self._converter = OnePass(coursedir=self.directory, parent=self._app)
        self._converter.force = True
        names = [str(p) for p in self._converter.autograde_preprocessors]
        if not any("Examine" in name for name in names):
            raise NotReady(
                _("nbgrader_config.py does not grade with the examiner (autograder...Examine)")
            )
        for steps in ("sanitize_preprocessors", "autograde_preprocessors"):
            kept = [p for p in getattr(self._converter, steps) if not str(p).endswith(DONE_BEFORE)]
            setattr(self._converter, steps, kept)
        self._engine = functools.cache(nbgrader.api.create_engine)
        self._root = course
        with self._gradebook() as gradebook:
            try:
                gradebook.find_assignment(assignment)
            except MissingEntry as error:
                raise NotReady(
                    _("the gradebook has no assignment {name}: run `nbgrader generate_assignment {name}`")
                    .format(name=assignment)
                ) from error  # fmt: skip

    @property
    def examine(self) -> Examine:
        """The configuration of the examiner."""
        return Examine(parent=self._app)

    def autograded(self, student: str) -> Path:
        """Return the path of a student's autograded notebook."""
        folder = self.directory.format_path(
            self.directory.autograded_directory, student, self.assignment
        )
        return Path(folder) / f"{self.assignment}.ipynb"

    def scores(self) -> dict[str, dict[str, float | None]]:
        """Return the automatic scores in the gradebook: student → cell → points."""
        with self._gradebook() as gradebook:
            return {
                submission.student_id: {
                    grade.name: grade.auto_score
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                }
                for submission in gradebook.assignment_submissions(self.assignment)
            }

    def write(self, student: str, done: Done) -> None:
        """Write a result into the gradebook and as an autograded notebook; again is the same as once.

        Raises
        ------
        NotReady
            If nbgrader could not.
        """
        EXAMINED[student, self.assignment] = nbformat.from_dict(json.loads(done.notebook))
        self.directory.assignment_id, self.directory.student_id = self.assignment, student
        try:
            with inside(self._root), contextlib.redirect_stderr(None), self._one_engine():
                self._converter.start()
        except Exception as error:
            raise NotReady(
                _("{student}: nbgrader could not write the result ({error})").format(
                    student=student, error=error
                )
            ) from error
        finally:
            del EXAMINED[student, self.assignment]

    @contextlib.contextmanager
    def _one_engine(self) -> Iterator[None]:
        """Let nbgrader use one database engine throughout: a new one compiles all its statements anew."""
        theirs, nbgrader.api.create_engine = nbgrader.api.create_engine, self._engine
        try:
            yield
        finally:
            nbgrader.api.create_engine = theirs

    def _gradebook(self) -> Any:
        with inside(self._root):
            return Gradebook(self.directory.db_url, self.directory.course_id)


@contextlib.contextmanager
def inside(directory: Path) -> Iterator[None]:
    """Make a directory the current one in the body, as nbgrader expects of its course."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)
