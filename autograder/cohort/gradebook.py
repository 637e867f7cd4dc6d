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
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import nbgrader.api
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.baseapp import NbGrader
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import OperationalError

from autograder.engine.messages import _
from autograder.examiner.errors import CouldNotGrade
from autograder.examiner.grade import NotebookGrade
from autograder.examiner.handed_in import OF_THE_MACHINE
from autograder.examiner.pipeline import ours
from autograder.nbgrader_converter import Converter
from autograder.nbgrader_plugins import Examine

DONE_BEFORE = ("Rebuild", "Examine", "ClearOutput", "OverwriteKernelspec", "CheckCellMetadata")
"""Steps of nbgrader's converter that were done where the notebook was examined, or change nothing in it."""


class NotReady(RuntimeError):
    """The course cannot be graded as it is; the message says what to do."""


class OneNotebook(Converter):
    """nbgrader's converter for one notebook that was examined before: errors are raised, not logged."""

    examined: NotebookNode

    def init_notebooks(self) -> None:
        """Find the one submission; nbgrader would take its student's name for a pattern."""
        folder = self._format_source(self.coursedir.assignment_id, self.coursedir.student_id)
        self.assignments = {folder: sorted(str(path) for path in Path(folder).glob("*.ipynb"))}

    def convert_notebooks(self) -> None:
        """Convert the notebook; what was written of it is removed if that fails."""
        about = self.coursedir.assignment_id, self.coursedir.student_id
        (self.notebooks,) = self.assignments.values()
        try:
            self.init_destination(*about)
            self.run_pre_convert_hook()
            self.init_assignment(*about)
            for name in self.notebooks:
                self.convert_single_notebook(name)
            self.set_permissions(*about)
            self.run_post_convert_hook()
        except BaseException:
            shutil.rmtree(self._format_dest(*about), ignore_errors=True)
            raise

    def steps(self) -> list[Any]:
        """Return the steps that were not done yet."""
        before, after = (
            [step for step in steps if not str(step).endswith(DONE_BEFORE)]
            for steps in (self.sanitize_preprocessors, self.autograde_preprocessors)
        )
        return [*before, self._require_unchanged, *after]

    def read(self, path: Path) -> NotebookNode:
        """Return the notebook that was examined."""
        return self.examined

    def _require_unchanged(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        ours = [(cell.cell_type, cell.source) for cell in nb.cells]
        if ours != [(cell.cell_type, cell.source) for cell in self.examined.cells]:
            raise NotReady(
                _("source/{name} is not what the gradebook has: run `nbgrader generate_assignment {name}`")
                .format(name=self.coursedir.assignment_id)
            )  # fmt: skip
        return nb, resources


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
        self._converter = OneNotebook(coursedir=self.directory, parent=self._app)
        self._converter.force = True
        names = [str(p) for p in self._converter.autograde_preprocessors]
        if not any("Examine" in name for name in names):
            raise NotReady(
                _("nbgrader_config.py does not grade with the examiner (autograder...Examine)")
            )
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

    def write(self, student: str, done: NotebookGrade) -> None:
        """Write a result into the gradebook and as an autograded notebook; again is the same as once.

        Raises
        ------
        NotReady
            If nothing can be written: the database is locked, or there is no room.
        CouldNotGrade
            If nbgrader could not write this result.
        """
        self._converter.examined = nbformat.from_dict(json.loads(done.notebook))
        self.directory.assignment_id, self.directory.student_id = self.assignment, student
        try:
            with ours(), inside(self._root), contextlib.redirect_stderr(None), self._one_engine():
                self._converter.start()
        except CouldNotGrade as error:
            cause = error.__cause__
            of_all = isinstance(cause, OSError) and cause.errno in OF_THE_MACHINE
            if of_all or isinstance(cause, NotReady | OperationalError):
                raise NotReady(f"{student}: {cause}") from error
            raise

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
