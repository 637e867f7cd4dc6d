"""How does Otter grade a class? Its library call, once per submission, all in this process.

    python -m benchmarks.otter_batch NAME         # in a course made by benchmarks.classroom

Its tests call the same checks as the notebook's test cells: one test file per test cell, with a public and a
hidden test case. Otter runs them in the student's kernel, behind the student's cells.
"""

from __future__ import annotations

import argparse
import json
import time
import zipfile
from pathlib import Path

import nbformat
from otter.api import grade_submission

from autograder.examiner import cells, handed_in

TEST = """from otter.test_files import test_case

OK_FORMAT = False
name = "{name}"
points = {points}


@test_case(name="public")
def public(env):
    exec({public!r}, env)


@test_case(name="hidden", hidden=True)
def hidden(env):
    exec({hidden!r}, env)
"""


def pack(course: Path, name: str) -> Path:
    """Write Otter's configuration with the tests of an assignment; return its path."""
    path = course / "autograder.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("otter_config.json", json.dumps({"pdf": False, "print_summary": False}))
        for cell in nbformat.read(course / "source" / name / f"{name}.ipynb", as_version=4).cells:
            if cells.is_test(cell):
                public = cells.public_part(cell.source)
                hidden = cell.source.replace(public, "", 1)
                test = cells.grade_id(cell)
                text = TEST.format(
                    name=test, points=cells.points(cell), public=public, hidden=hidden
                )
                archive.writestr(f"tests/{test}.py", text)
    return path


def without_tests(path: Path, to: Path) -> Path:
    """Copy a notebook without its test cells, which Otter has in files; bytes that are no notebook as they are."""
    copy = to / path.name
    try:
        notebook = handed_in.read_notebook(path)
    except handed_in.UnreadableNotebook:
        copy.write_bytes(path.read_bytes())
        return copy
    notebook.cells = [cell for cell in notebook.cells if not cells.is_test(cell)]
    nbformat.write(notebook, copy)
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name")
    name, course = parser.parse_args().name, Path.cwd()
    archive = pack(course, name)
    done: dict[str, dict[str, float]] = {}
    for folder in sorted(course.glob(f"submitted/*/{name}")):
        to = course / "otter" / folder.parent.name
        to.mkdir(parents=True, exist_ok=True)
        submission = without_tests(folder / f"{name}.ipynb", to)
        grade = {"total": 0.0, "possible": 0.0}
        try:
            results = grade_submission(str(submission), str(archive), quiet=True)
            grade = {"total": results.total, "possible": results.possible}
        except Exception as error:
            print(folder.parent.name, type(error).__name__, str(error)[:200], flush=True)
        done[folder.parent.name] = {**grade, "time": time.time()}
    (course / "otter.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main()
