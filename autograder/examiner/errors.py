"""What can go wrong that is not the student's doing?"""

import errno

OF_THE_MACHINE = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
})  # fmt: skip
"""Numbers of those errors of the operating system that no file of a submission causes."""


class CouldNotGrade(RuntimeError):
    """Grading failed for a reason that is not the submission's; the message says why and what to do."""
