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

# Experiments take time and earn nothing. (A student cannot tag a test cell so: see Rebuild.)
c.Execute.skip_cells_with_tag = "experiment"

# Seconds per cell. The slowest graded cell trains a small network twice, 5 s on one core; its checks give
# up after 100 s each.
c.Execute.timeout = 240
