"""What notebooks import: see :mod:`autograder.student.training`."""

from autograder.student.training import *  # noqa: F403
