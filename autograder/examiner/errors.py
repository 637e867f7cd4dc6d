"""What can go wrong that is not the student's doing?"""


class CouldNotGrade(RuntimeError):
    """Grading failed for a reason that is not the submission's; the message says why and what to do."""
