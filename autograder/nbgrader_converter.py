"""How does nbgrader go through a class, whatever was handed in? A converter that takes regular files only.

nbgrader's own follows links, waits for pipes, and ends with an error in folders that are nested too deeply. It also
writes hidden tests beside the submission before it runs, and takes what it wrote before an interruption for done.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import Autograde
from nbgrader.converters.base import BaseConverter
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import parse_utc, setenv

from autograder.examiner import handed_in
from autograder.examiner.handed_in import UnreadableNotebook
from autograder.examiner.pipeline import ours
from autograder.examiner.plain import plain
from autograder.examiner.rebuild import rebuild

MAX_FILES = 1_000  # that are kept of a submission
MAX_BYTES = 200_000_000  # of all of them
MAX_LEVELS = 20  # of folders
MAX_ENTRIES = 10_000  # that are looked at
TIMESTAMP = "timestamp.txt"
READ_BY_US = "autograder"  # resource of nbgrader's: the notebook was read within limits


class RegularFiles(BaseConverter):  # type: ignore[misc]
    """The part of nbgrader's converter that copies a submission: regular files, within limits."""

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Copy the files that a submission has beside its notebooks."""
        source = Path(self._format_source(assignment_id, student_id))
        target = Path(self._format_dest(assignment_id, student_id))
        for path in files_of(source, [*self.coursedir.ignore, "*.ipynb"]):
            if path.name == TIMESTAMP and timestamp(path.parent) is None:
                continue  # nbgrader would fail at each later reading
            to = target / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to, follow_symlinks=False)


class Converter(Autograde, RegularFiles):  # type: ignore[misc]
    """nbgrader's ``Autograde`` in one pass, for submissions that may hold anything."""

    def __init__(self, coursedir: CourseDirectory = None, **kwargs: Any) -> None:
        super().__init__(coursedir=coursedir, **kwargs)
        coursedir.get_existing_timestamp = lambda folder: timestamp(Path(folder))
        self._chosen: dict[str, Path] = {}  # path that nbgrader knows → file that is read

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Tell whether a submission is to be graded: also if it was begun only, and interrupted."""
        target = Path(self._format_dest(assignment_id, student_id))
        if self.coursedir.notebook_id == "*" and target.is_dir() and not is_finished(target):
            self.log.warning("Removing unfinished assignment: %s", target)
            shutil.rmtree(target)
        return bool(super().init_destination(assignment_id, student_id))

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Prepare a submission, and choose which of its files are graded as which notebooks."""
        with ours():
            self._chosen = self._choose(assignment_id, student_id)
        self.notebooks = sorted(self._chosen)
        super().init_assignment(assignment_id, student_id)

    def _choose(self, assignment_id: str, student_id: str) -> dict[str, Path]:
        folder = Path(self._format_source(assignment_id, student_id))
        wanted = self.coursedir.format_path(self.coursedir.source_directory, ".", assignment_id)
        notebooks = sorted(Path(wanted).glob(f"{self.coursedir.notebook_id}.ipynb"))
        rights = [folder / path.name for path in notebooks]
        chosen = {str(right): right for right in rights if os.path.lexists(right)}
        if len(notebooks) == 1 and not chosen:
            course = nbformat.read(notebooks[0], as_version=4)
            best = handed_in.choose(
                folder, notebooks[0].stem, lambda nb: rebuild(course, nb).recognised
            )
            if best is not None:
                chosen[str(rights[0])] = copied(best, rights[0])
        return chosen or {path: Path(path) for path in self.notebooks}

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Grade one notebook and write what came of it."""
        resources = self.init_single_notebook_resources(notebook_filename)
        path = Path(notebook_filename)
        resources["nbgrader"][READ_BY_US] = True
        resources["metadata"] = {"name": path.stem, "path": str(path.parent)}
        self.exporter._preprocessors = []
        self.exporter.optimistic_validation = True  # after the last step instead of after each
        for step in self.steps():
            self.exporter.register_preprocessor(step)
        with setenv(NBGRADER_EXECUTION="autograde"):
            output, resources = self.exporter.from_notebook_node(
                self.read(path), resources=resources
            )
        self.write_single_notebook(output, resources)

    def steps(self) -> list[Any]:
        """Return the preprocessors, in order."""
        return [*self.sanitize_preprocessors, *self.autograde_preprocessors]

    def read(self, path: Path) -> NotebookNode:
        """Return the notebook that goes into the first step."""
        with ours():
            file = self._chosen.get(str(path), path)
            return handed_in.notebook_or_reason(lambda: handed_in.read_notebook(file))


def install() -> None:
    """Have nbgrader's commands and its Formgrader page use :class:`Converter`; for ``nbgrader_config.py``."""
    for name, module in list(sys.modules.items()):
        is_user = name.startswith("nbgrader.") and name != Autograde.__module__
        if is_user and getattr(module, "Autograde", None) is Autograde:
            module.Autograde = Converter  # type: ignore[attr-defined]


def files_of(folder: Path, ignored: Sequence[str]) -> list[Path]:
    """Return the regular files in a folder and below, without following links, within limits."""
    found: list[Path] = []
    seen, room = 0, MAX_BYTES
    todo = [] if folder.is_symlink() else [(folder, 0)]
    while todo:
        here, level = todo.pop()
        if not os.access(here, os.R_OK | os.X_OK):
            continue
        with os.scandir(here) as entries:
            for entry in entries:
                seen += 1
                if seen > MAX_ENTRIES:
                    return found
                if any(fnmatch(entry.name, pattern) for pattern in ignored):
                    continue
                if entry.is_dir(follow_symlinks=False) and level < MAX_LEVELS:
                    todo.append((Path(entry.path), level + 1))
                if entry.is_file(follow_symlinks=False) and entry.name == plain(entry.name):
                    status = entry.stat(follow_symlinks=False)
                    fits = status.st_size <= room and status.st_nlink == 1
                    if fits and len(found) < MAX_FILES and os.access(entry.path, os.R_OK):
                        room -= status.st_size
                        found.append(Path(entry.path))
    return found


def copied(notebook: Path, to: Path) -> Path:
    """Copy a notebook to its right name, if it is one; return which of the two is to be read."""
    try:
        data = handed_in.read_file(notebook)
    except UnreadableNotebook:
        return notebook
    with to.open("xb") as file:
        file.write(data)
    shutil.copystat(notebook, to)
    return to


def timestamp(folder: Path) -> datetime | None:
    """Return when a submission was handed in, by a small regular file in its folder; None if nothing sensible is there."""
    try:
        text = handed_in.read_file(folder / TIMESTAMP)[:1000].decode("ascii").strip()
        when: datetime | None = parse_utc(text) if text else None
    except (ValueError, OverflowError, TypeError, PermissionError):
        return None
    return when


def is_finished(folder: Path) -> bool:
    """Tell whether an autograded folder has whole notebooks: they are written last."""
    try:
        return bool([nbformat.read(path, as_version=4) for path in folder.glob("*.ipynb")])
    except (OSError, ValueError):
        return False
