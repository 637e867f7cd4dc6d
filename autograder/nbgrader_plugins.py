"""How does nbgrader reach all this? Preprocessors that ``nbgrader_config.py`` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.examiner.cells import read_notebook
from autograder.examiner.rebuild import rebuild
from autograder.secret import STUDENT


class Rebuild(NbGraderPreprocessor):  # type: ignore[misc]
    """Put the student's cells into the instructor's notebook, before anything else looks at them.

    Must come first among ``Autograde.sanitize_preprocessors``. Also tells the kernel, which inherits
    the environment, whose hidden cases to draw.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Return the rebuilt notebook."""
        about = resources["nbgrader"]
        os.environ[STUDENT] = about["student"]
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.source_directory, ".", about["assignment"])
        source = Path(folder) / f"{about['notebook']}.ipynb"
        result = rebuild(read_notebook(source), nb)
        for remark in result.remarks:
            self.log.warning("%s: %s", about["student"], remark)
        for missing in result.missing:
            self.log.warning("%s: solution cell %s is missing", about["student"], missing)
        return result.notebook, resources
