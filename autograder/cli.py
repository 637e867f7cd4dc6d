"""The command ``autograder``: what can be done from a terminal?"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from autograder.engine.messages import _
from autograder.foreign import line

DONE, NOT_ENOUGH, COULD_NOT = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="autograder", description=_("Grade notebooks."))
    commands = parser.add_subparsers(dest="command", required=True)

    grading = commands.add_parser(
        "grade",
        help=_("grade single notebooks, outside a gradebook"),
        description=_(
            "Grade notebooks. Exit status: 0 if all points were reached (or --min-score), 1 if not, "
            "2 if a notebook could not be graded."
        ),
    )
    grading.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    grading.add_argument(
        "--course", type=Path, default=Path(), help=_("folder with source/ or release/")
    )
    grading.add_argument("--assignment", help=_("its name; found by the cells if not given"))
    grading.add_argument("--student", default="", help=_("whose hidden cases to draw"))
    grading.add_argument(
        "--json", type=Path, metavar="FILE", help=_("write the whole result there")
    )
    grading.add_argument(
        "--min-score", type=float, metavar="POINTS", help=_("points that are enough")
    )
    grading.add_argument("--cell-seconds", type=float, help=_("wall time for one cell"))
    grading.add_argument("--notebook-seconds", type=float, help=_("wall time for one notebook"))
    grading.add_argument(
        "--isolation",
        choices=("sandbox", "process"),
        default="sandbox",
        help=_("process: where bubblewrap cannot run; the file system is then not protected"),
    )
    grading.set_defaults(run=grade_command)

    batch = commands.add_parser(
        "autograde",
        help=_("grade a class into nbgrader's gradebook, in parallel"),
        description=_(
            "Grade the submissions of an assignment like `nbgrader autograde`, in parallel. Interrupted, the "
            "same command continues. Exit status: 0 if everything was graded, 1 if a submission could not "
            "be, 2 if nothing could, 3 if a submission could not be for a reason that is not its own: run "
            "the command again."
        ),
    )
    batch.add_argument("assignment")
    batch.add_argument("--course", type=Path, default=Path(), help=_("the course directory"))
    batch.add_argument(
        "--student", nargs="+", default=[], help=_("whose submissions; all if not given")
    )
    batch.add_argument("--workers", type=int, help=_("processes; one per core if not given"))
    batch.add_argument("--scheduler", metavar="ADDRESS", help=_("a Dask scheduler to use instead"))
    batch.add_argument("--force", action="store_true", help=_("examine unchanged ones anew"))
    batch.set_defaults(run=autograde_command)

    making = commands.add_parser("course", help=_("generate release/ and reference/ from source/"))
    making.add_argument("--course", type=Path, default=Path(), help=_("folder with source/"))
    making.set_defaults(run=course_command)

    showing = commands.add_parser("demo", help=_("grade a small made-up class with nbgrader"))
    showing.add_argument("--course", type=Path, default=Path(), help=_("folder with source/"))
    showing.add_argument("--to", type=Path, default=Path("demo-course"), help=_("where to make it"))
    showing.add_argument("names", nargs="*", metavar="ASSIGNMENT", help=_("all if not given"))
    showing.set_defaults(run=demo_command)

    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


def grade_command(options: argparse.Namespace) -> int:
    """Grade notebooks, print a table for each, and tell by the status whether it is enough."""
    from autograder.examiner import sandbox
    from autograder.examiner.errors import CouldNotGrade
    from autograder.examiner.grade import NotebookGrade
    from autograder.examiner.kernel import Limits
    from autograder.examiner.pipeline import Course, grade
    from autograder.examiner.plain import plain
    from autograder.reports import as_json, terminal
    from autograder.student.datasets import DatasetError

    course = Course(options.course)
    if not course.notebooks:
        print(
            _("autograder: no source/ or release/ with notebooks in {root}").format(
                root=course.root
            ),
            file=sys.stderr,
        )
        return COULD_NOT
    given = {
        "cell_seconds": options.cell_seconds,
        "notebook_seconds": options.notebook_seconds,
    }
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    try:
        sandbox.require(options.isolation)
    except sandbox.NoSandbox as error:
        print(f"autograder: {line(error)}", file=sys.stderr)
        return COULD_NOT
    if options.isolation == "process":
        print(_("Isolation by process only: the file system is not protected from student code."))
    reports = []
    for path in options.notebooks:
        try:
            report = grade(
                path, course, options.assignment, options.student, limits, options.isolation
            )
        except CouldNotGrade as error:
            report = NotebookGrade(reason=str(error), ours=True)
        except (sandbox.NoSandbox, DatasetError) as error:
            print(f"autograder: {error}", file=sys.stderr)
            return COULD_NOT
        report = dataclasses.replace(report, path=plain(str(path)))
        print(terminal.table(report), flush=True)
        reports.append(report)
    if options.json:
        text = json.dumps(as_json.document(reports), indent=1, ensure_ascii=False)
        try:
            options.json.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            print(f"autograder: {line(options.json)}: {line(error.strerror)}", file=sys.stderr)
            return COULD_NOT
    if not all(r.graded for r in reports):
        return COULD_NOT
    enough = all(
        r.points >= (r.max_points if options.min_score is None else options.min_score) - 1e-6
        for r in reports
    )
    return DONE if enough else NOT_ENOUGH


def autograde_command(options: argparse.Namespace) -> int:
    """Grade a class in parallel."""
    from autograder.cohort.run import autograde

    return autograde(
        options.course,
        options.assignment,
        options.student,
        options.workers,
        options.scheduler,
        options.force,
    )


def course_command(options: argparse.Namespace) -> int:
    """Generate release and reference notebooks of all assignments."""
    from autograder.course import generate

    generate(options.course.resolve(), options.course.resolve())
    return DONE


def demo_command(options: argparse.Namespace) -> int:
    """Make a small class and grade it with nbgrader's own commands."""
    from autograder.demo import demo

    return demo(options.course.resolve(), options.to.resolve(), options.names)


if __name__ == "__main__":
    sys.exit(main())
