"""What notebooks import: see :mod:`autograder.student.figures`."""

from autograder.student.figures import *  # noqa: F403
