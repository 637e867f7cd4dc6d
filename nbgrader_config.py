"""The course: where things are, and what nbgrader does with them.

Read by every nbgrader command that is started in this directory.
"""

import os
from pathlib import Path

from autograder.examiner.kernel import execution_environment
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
c.Examine.file_bytes = 100_000_000  # no student needs to write files at all
c.Examine.output_bytes = 1_000_000  # per cell; feedback pages carry it

# Experiments take time and earn nothing. (A student cannot tag a test cell so: see Rebuild.)
c.Execute.skip_cells_with_tag = "experiment"

# Seconds per cell for `nbgrader validate` and `generate_solution`, which execute in the stock way.
c.Execute.timeout = 240
