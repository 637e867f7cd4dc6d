"""In which language do we speak? See :mod:`autograder.student.messages`."""

from autograder.student.messages import N_, _

__all__ = ["N_", "_"]
