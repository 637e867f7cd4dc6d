"""How do release/ and reference/ come about? From source/, with nbgrader's own commands.

The commands run in a temporary copy, so that no gradebook is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.engine.messages import _
from autograder.examiner import cells
from autograder.examiner.kernel import append_output

SECONDS_PER_CELL = 600


class CommandFailed(RuntimeError):
    """An nbgrader command did not succeed; the message holds the end of its log."""

    @classmethod
    def of(cls, command: list[str], log: str) -> CommandFailed:
        """Describe a failed command."""
        tail = "\n".join(log.splitlines()[-15:])
        return cls(_("`{command}` failed:\n{tail}").format(command=" ".join(command), tail=tail))


def nbgrader(course: Path, *arguments: str, check: bool = True) -> str:
    """Run an nbgrader command in ``course`` and return its log.

    Raises
    ------
    CommandFailed
        If its exit status is not zero (unless ``check`` is False).
    """
    command = [sys.executable, "-m", "nbgrader", *arguments]
    scripts = str(Path(sys.executable).parent)  # nbgrader calls `alembic` by its bare name
    done = subprocess.run(
        command,
        cwd=course,
        env={
            **os.environ,
            "JUPYTER_PLATFORM_DIRS": "1",
            "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
            "PYTHONWARNINGS": "ignore",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if check and done.returncode != 0:
        raise CommandFailed.of(["nbgrader", *arguments], done.stdout)
    return done.stdout


def generate(course: Path, to: Path, execute: bool = True) -> None:
    """Generate ``release/`` and ``reference/`` of every assignment.

    Parameters
    ----------
    course:
        Folder with ``source/`` and ``nbgrader_config.py``.
    to:
        Folder in which ``release/`` and ``reference/`` are replaced.
    execute:
        Whether the reference notebooks are executed (a minute each), so that they show outputs.
    """
    names = sorted(path.parent.name for path in course.glob("source/*/*.ipynb"))
    with tempfile.TemporaryDirectory(prefix="autograder-course-") as directory:
        work = Path(directory)
        shutil.copytree(course / "source", work / "source")
        shutil.copy(course / "nbgrader_config.py", work)
        for name in names:
            nbgrader(work, "generate_assignment", name, "--force")
            nbgrader(
                work,
                "generate_solution",
                name,
                "--force",
                f"--Execute.enabled={execute}",
                f"--Execute.timeout={SECONDS_PER_CELL}",
                "--Execute.skip_cells_with_tag=none",
                "--Execute.record_timing=False",
            )
            solution = work / "reference" / name / "solution.py"
            solution.write_text(solution_module(work / "source" / name, name), encoding="utf-8")
            collapse_progress_bars(work / "reference" / name / f"{name}.ipynb")
            for folder in ("release", "reference"):
                target = to / folder / name
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(work / folder / name, target)


def collapse_progress_bars(path: Path) -> None:
    """Keep of each printed line only what a terminal would show after its last carriage return."""
    notebook = nbformat.read(path, as_version=4)
    for cell in (c for c in notebook.cells if c.cell_type == "code"):
        outputs: list[NotebookNode] = []
        for output in cell.outputs:
            append_output(outputs, output)
        for output in outputs:
            if output.output_type == "stream":
                lines = [line.rstrip("\r").split("\r")[-1] for line in output.text.split("\n")]
                output.text = "\n".join(lines).lstrip("\n")
        cell.outputs = [o for o in outputs if o.output_type != "stream" or o.text.strip()]
    nbformat.write(notebook, path)


def solution_module(source: Path, name: str) -> str:
    """Return the solution cells of an assignment as the text of an importable module."""
    notebook = nbformat.read(source / f"{name}.ipynb", as_version=4)
    parts = [
        f'"""Reference solution of the assignment {name}. Generated from source/: do not edit."""',
        "import numpy as np",
    ]
    for cell in notebook.cells:
        if cell.cell_type == "code" and cells.is_solution(cell):
            lines = [
                line
                for line in cell.source.splitlines()
                if line.strip() not in ("### BEGIN SOLUTION", "### END SOLUTION")
            ]
            parts.append("\n".join(lines).strip())
    return "\n\n\n".join(parts).replace('"""\n\n\nimport', '"""\n\nimport', 1) + "\n"
