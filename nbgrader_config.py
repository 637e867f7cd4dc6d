"""The course: where things are, and what nbgrader does with them.

Read by every nbgrader command that is started in this directory.
"""

import os
from pathlib import Path

from nbgrader.converters import GenerateAssignment

from autograder.examiner.kernel import execution_environment
from autograder.nbgrader_converter import install
from autograder.reports import clean
from autograder.secret import SECRET, course_secret

c = get_config()

course = Path(__file__).resolve().parent
c.CourseDirectory.root = str(course)
c.CourseDirectory.course_id = "deep-learning"
c.CourseDirectory.solution_directory = "reference"

# Hidden cases are drawn from this secret; the file is made on first use. Keep it: a regrade needs it.
os.environ.setdefault(SECRET, course_secret(course))

# One thread per kernel, unless the environment says otherwise: several that each use all cores slow each
# other down until correct solutions run out of time.
for name, value in execution_environment().items():
    os.environ.setdefault(name, value)

# An assignment whose grading would fail (a graded cell that depends on an experiment) is not released.
c.GenerateAssignment.preprocessors = [
    "autograder.nbgrader_plugins.CheckSource",
    *GenerateAssignment.preprocessors.default(),
]

# Whatever was handed in ends with a score and a sentence: a file that is no notebook, a renamed one, a link.
install()

# Submissions are rebuilt from source/ first: of a submission only the student's own code and text is
# used. Deleted, duplicated, edited or tagged test cells and extra files have no effect.
c.Autograde.sanitize_preprocessors = [
    "autograder.nbgrader_plugins.Rebuild",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]

# Student code runs in a sandboxed kernel and tests outside of it, with points per aspect. Where bubblewrap
# cannot run (macOS, Windows), nothing is graded unless the isolation is set to "process": then student code
# still never shares a process with tests and answers, but can read and write the files that you can.
c.Autograde.autograde_preprocessors = [
    "autograder.nbgrader_plugins.Examine",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Examine.isolation = os.environ.get("AUTOGRADER_ISOLATION", "sandbox")
c.Examine.cell_seconds = 240  # wall time; the slowest graded cell takes about 5 s
c.Examine.notebook_seconds = 600  # wall time; what comes after is "timed out", 0 points
c.Examine.memory_bytes = (
    6_000_000_000  # address space, of which NumPy maps about 1 GB before it computes
)
c.Examine.cpu_seconds = (
    900  # per process; more than the wall time of the notebook, for several threads
)
c.Examine.processes = 256  # NumPy and the kernel use about 20, threads included
c.Examine.file_bytes = 100_000_000  # no student needs to write files at all
c.Examine.output_bytes = 1_000_000  # per cell; feedback pages carry it

# Feedback pages: scores with reasons first, no hidden tests.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "autograder.nbgrader_plugins.Feedback",
]
c.GenerateFeedback.exporter_class = "autograder.reports.feedback.FeedbackExporter"

# The Formgrader's pages (and any other HTML made here) run nothing that a student wrote.
c.HTMLExporter.update(clean.SETTINGS)
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", ".pytest_cache", "*.html"]

# Nothing that is logged, names of files for example, is a command to the terminal or to a CI system.
c.Application.logging_config = {
    "formatters": {"console": {"class": "autograder.nbgrader_plugins.PlainLog"}}
}

# Experiments take time and earn nothing. (A student cannot tag a test cell so: see Rebuild.)
c.Execute.skip_cells_with_tag = "experiment"

# Seconds per cell for `nbgrader validate` and `generate_solution`, which execute in the stock way.
c.Execute.timeout = 240
