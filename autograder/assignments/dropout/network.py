"""What the notebook imports: see :mod:`autograder.student.networks.dropout`."""

from autograder.student.networks.dropout import Dropout

__all__ = ["Dropout"]
