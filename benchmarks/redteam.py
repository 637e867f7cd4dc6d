"""What do the attacks of the red team gain under stock nbgrader, and what here? Measured side by side.

    python benchmarks/redteam.py                  # half an hour; prints the table of docs/security.md

Each attack of ``tests/redteam.py`` is handed in twice: to stock nbgrader, whose checks run in the student's
kernel, and to the examiner. Stock nbgrader runs inside a sandbox of its own, because nothing else
would protect this machine from it: it can do what it likes to its course and dies alone. ``--json`` keeps the results.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import nbformat  # noqa: E402
from nbgrader.api import Gradebook  # noqa: E402
from tqdm import tqdm  # noqa: E402

from autograder.examiner import watch  # noqa: E402
from autograder.examiner.kernel import Limits  # noqa: E402
from autograder.examiner.pipeline import Course, grade  # noqa: E402
from tests.redteam import ATTACKS, NOTHING, tiny  # noqa: E402
from tests.test_grade import GOOD  # noqa: E402

SECONDS = 150
STOCK = "c = get_config()\nc.CourseDirectory.root = '.'\n"
LIMITS = Limits(cell_seconds=15, notebook_seconds=60)
PUBLIC_PART = "An honest failure"


def sandboxed(course: Path) -> list[str]:
    """Return the command prefix that shows a process the system read-only, and one course to write to."""
    options = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent"]
    options += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    return [*options, "--bind", str(course), str(course), "--chdir", str(course)]


def run(course: Path, *arguments: str) -> str:
    """Run stock nbgrader; return how it ended."""
    limits = 'ulimit -v 8000000 -f 2000000 -c 0; exec "$@"'
    environment = {
        **os.environ,
        "HOME": str(course),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONWARNINGS": "ignore",
    }
    command = [*sandboxed(course), "bash", "-c", limits, "-", sys.executable, "-m", "nbgrader"]
    process = subprocess.Popen(
        [*command, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with watch.processes([process.pid], 3000):
            status = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "never ends"
    return "" if status == 0 else "could not be graded" if status > 0 else "killed"


def stock(template: Path, source: str) -> tuple[float | None, float | None, str]:
    """Return the points for the attack and for the honest function under stock nbgrader."""
    with tempfile.TemporaryDirectory(prefix="stock-", ignore_cleanup_errors=True) as directory:
        course = Path(directory).resolve() / "course"
        shutil.copytree(template, course)
        folder = course / "submitted" / "x" / "tiny"
        folder.mkdir(parents=True)
        nbformat.write(tiny(source), folder / "tiny.ipynb")
        ending = run(course, "autograde", "tiny")
        try:
            with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
                grades = gradebook.find_submission("tiny", "x").notebooks[0].grades
                points = {g.cell.name: g.auto_score for g in grades}
        except Exception:
            points = {}
        return (
            points.get("test_dropout_mask"), points.get("test_classic_dropout_forward"), ending
        )  # fmt: skip


def ours(course: Course, source: str) -> tuple[float, float]:
    """Return the points for the attack and for the honest function here."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "tiny.ipynb"
        nbformat.write(tiny(source), path)
        first, second = grade(path, course, limits=LIMITS).cells
        return first.points, second.points


def show(points: float | None) -> str:
    return "none" if points is None else f"{points:g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", help="names of attacks")
    parser.add_argument("--json", type=Path, help="write the results there")
    options = parser.parse_args()
    attacks = {PUBLIC_PART: NOTHING, **ATTACKS}
    names = options.only or list(attacks)
    rows = []
    with tempfile.TemporaryDirectory(prefix="redteam-") as directory:
        template = Path(directory).resolve() / "template"
        (template / "source" / "tiny").mkdir(parents=True)
        (template / "nbgrader_config.py").write_text(STOCK)
        nbformat.write(tiny(GOOD["mask"]), template / "source" / "tiny" / "tiny.ipynb")
        assert run(template, "generate_assignment", "tiny") == ""
        course = Course(template)
        for name in tqdm(names):
            start = time.monotonic()
            theirs = stock(template, attacks[name])
            rows.append((name, theirs, ours(course, attacks[name])))
            tqdm.write(f"{name}: {rows[-1][1:]} {time.monotonic() - start:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    print("| attack | stock nbgrader: attack | honest task | | here: attack | honest task |")
    print("|---|---|---|---|---|---|")
    for name, (attack, honest, ending), (first, second) in rows:
        print(f"| {name} | {show(attack)} | {show(honest)} | {ending} | {first:g} | {second:g} |")


if __name__ == "__main__":
    main()
