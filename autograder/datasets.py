"""What notebooks import: see :mod:`autograder.student.datasets`."""

from autograder.student.datasets import *  # noqa: F403
