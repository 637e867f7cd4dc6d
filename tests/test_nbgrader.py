"""Do nbgrader's own commands do the work, with this repository as the course?

Runs generate_assignment, validate, autograde, generate_feedback and export for real.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.course import nbgrader
from autograder.demo import named
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo course, graded on the small data set, and what the demo printed."""
    to = tmp_path_factory.mktemp("demo") / "course"
    done = subprocess.run(
        [sys.executable, "-m", "autograder.cli", "demo", "--course", str(ROOT), "--to", str(to), "dropout"],
        capture_output=True, text=True, check=False, timeout=500,
        env={**os.environ, "AUTOGRADER_DATASET": "digits"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return to, done.stdout


@pytest.fixture(scope="module")
def scores(made: tuple[Path, str]) -> dict[str, float]:
    course, _printed = made
    nbgrader(course, "export", "--to=grades.csv")
    with (course / "grades.csv").open(encoding="utf-8") as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


def test_scores_in_the_export(scores: dict[str, float]) -> None:
    assert scores["ada-solved"] == 44  # of 50: 6 points are given by hand
    assert scores["gita-warns-and-prints"] == 44
    assert scores["iris-tampered"] == 44
    assert scores["fay-untouched"] == 0
    assert scores["hugo-endless-loop"] == 38
    assert scores["dora-mask-from-output"] == 39.4  # partial credit per aspect
    assert 14 < scores["boris-unscaled"] < 40


def test_mistakes_are_named(made: tuple[Path, str]) -> None:
    course, printed = made
    autograded = course / "autograded"
    assert named(autograded / "boris-unscaled/dropout/dropout.ipynb") == ["D1-unscaled"]
    assert "D14-mask-from-values" in named(
        autograded / "dora-mask-from-output/dropout/dropout.ipynb"
    )
    assert "D8-active-in-evaluation" in named(autograded / "emil-always-on/dropout/dropout.ipynb")
    assert named(autograded / "ada-solved/dropout/dropout.ipynb") == []
    assert "D3-keep-and-drop-swapped-throughout" in printed
    assert "mc_dropout did not finish" in printed
    assert "jan-broken-file" in printed
    assert "not JSON" in printed


def test_experiments_were_not_executed(made: tuple[Path, str]) -> None:
    path = made[0] / "autograded/ada-solved/dropout/dropout.ipynb"
    notebook = nbformat.read(path, as_version=4)
    experiments = [c for c in notebook.cells if "experiment" in c.metadata.get("tags", [])]
    assert experiments
    assert not any(c.outputs for c in experiments)


def test_feedback_pages_show_the_result(made: tuple[Path, str]) -> None:
    page = (made[0] / "feedback/boris-unscaled/dropout/dropout.html").read_text(encoding="utf-8")
    assert "your kept units are not divided by 1 - p" in page
    assert "Traceback (most recent call last)" not in page
    assert "site-packages" not in page


def test_validate(made: tuple[Path, str]) -> None:
    """What a student reads who runs `nbgrader validate` on solved and on untouched work."""
    course, _printed = made
    good = nbgrader(course, "validate", "submitted/ada-solved/dropout/dropout.ipynb")
    assert "Success" in good
    bad = nbgrader(course, "validate", "release/dropout/dropout.ipynb")
    assert "failed" in bad
    assert "not written yet" in bad


def test_every_student_has_other_hidden_cases_and_keeps_them(made: tuple[Path, str]) -> None:
    from autograder.secret import hidden_seed

    secret = (made[0] / ".autograder-secret").read_text(encoding="ascii").strip()
    assert len(secret) == 64
    assert oct((made[0] / ".autograder-secret").stat().st_mode & 0o777) == "0o600"
    os.environ["AUTOGRADER_SECRET"] = secret
    try:
        seeds = [hidden_seed("dropout", s) for s in ("ada", "boris", "ada")]
        assert seeds[0] == seeds[2] != seeds[1]
        assert hidden_seed("batchnorm", "ada") != seeds[0]
    finally:
        del os.environ["AUTOGRADER_SECRET"]
    assert hidden_seed("dropout", "ada") != hidden_seed("dropout", "ada")


def test_nbgrader_without_our_plugins_grades_all_or_nothing(made, tmp_path: Path) -> None:
    """The promise: the notebook grades under stock nbgrader, with no configuration of ours."""
    course = made[0]
    (tmp_path / "source").symlink_to(course / "source")
    (tmp_path / "nbgrader_config.py").write_text(
        "c = get_config()\nc.Execute.timeout = 120\nc.CourseDirectory.root = '.'\n"
    )
    nbgrader(tmp_path, "generate_assignment", "dropout")
    for student in ("ada-solved", "boris-unscaled"):
        target = tmp_path / "submitted" / student / "dropout"
        target.mkdir(parents=True)
        notebook = json.loads((course / f"submitted/{student}/dropout/dropout.ipynb").read_text())
        notebook["cells"] = [
            c for c in notebook["cells"] if "experiment" not in c["metadata"].get("tags", [])
        ]
        (target / "dropout.ipynb").write_text(json.dumps(notebook))
    nbgrader(tmp_path, "autograde", "dropout", "--Autograde.exclude_overwriting={}")
    nbgrader(tmp_path, "export", "--to=grades.csv")
    with (tmp_path / "grades.csv").open(encoding="utf-8") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == {"ada-solved": 44, "boris-unscaled": 14}
