"""A program: the whole result as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograder.examiner.grade import NotebookGrade

FORMAT = 1


def document(reports: Sequence[NotebookGrade]) -> dict[str, Any]:
    """Return all grades as one JSON document.

    ``format`` is the version of the document. Per notebook: ``path``, ``assignment``, ``graded`` with
    the ``reason`` if it was not, ``points`` and ``max_points`` of the automatically graded cells,
    ``manual_points``, ``remarks``, and per cell its ``id``, ``points``, ``max_points``, ``state``, a
    sentence ``says``, the ``misconceptions`` that were recognised and every check's ``results``. Where the
    reason is not the submission's doing, ``try_again`` is true and there are no points (null).
    """
    return {"format": FORMAT, "notebooks": [_notebook(report) for report in reports]}


def _notebook(report: NotebookGrade) -> dict[str, Any]:
    return {
        "path": report.path,
        "assignment": report.assignment,
        "graded": report.graded,
        "reason": report.reason,
        "try_again": report.ours,
        "points": None if report.ours else report.points,
        "max_points": None if report.ours else report.max_points,
        "manual_points": report.manual_points,
        "remarks": list(report.remarks),
        "seconds": round(report.seconds, 2),
        "cells": [cell.to_dict() for cell in report.cells],
    }
