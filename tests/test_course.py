"""Are release/ and reference/ what source/ generates, and is source/ well formed?"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from autograder import assignments
from autograder.course import generate, solution_module
from autograder.examiner import cells
from tests.conftest import ROOT

NAMES = assignments.names()


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("generated")
    generate(ROOT, to, execute=False)
    return to


def normalized(path: Path) -> NotebookNode:
    """Read a notebook without outputs, execution counts and what running it adds."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("language_info", None)
    return notebook


@pytest.mark.parametrize("name", NAMES)
def test_release_is_what_source_generates(name: str, generated: Path) -> None:
    path = Path("release") / name / f"{name}.ipynb"
    assert nbformat.read(ROOT / path, 4) == nbformat.read(generated / path, 4), "run `make course`"


@pytest.mark.parametrize("name", NAMES)
def test_reference_is_what_source_generates(name: str, generated: Path) -> None:
    path = Path("reference") / name / f"{name}.ipynb"
    assert normalized(ROOT / path) == normalized(generated / path), "run `make course`"
    module = Path("reference") / name / "solution.py"
    assert (ROOT / module).read_text() == (generated / module).read_text(), "run `make course`"


@pytest.mark.parametrize("name", NAMES)
def test_reference_was_executed_without_errors(name: str) -> None:
    notebook = nbformat.read(ROOT / "reference" / name / f"{name}.ipynb", as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert all(c.execution_count for c in code)
    assert not [o for c in code for o in c.outputs if o.output_type == "error"]
    assert not [o for c in code for o in c.outputs if o.get("name") == "stderr"]


@pytest.mark.parametrize("name", NAMES)
def test_release_holds_no_solution_and_no_hidden_test(name: str) -> None:
    text = (ROOT / "release" / name / f"{name}.ipynb").read_text(encoding="utf-8")
    for word in ("BEGIN SOLUTION", "HIDDEN", "hidden=True", "MARK SCHEME"):
        assert word not in text
    source = nbformat.read(ROOT / "source" / name / f"{name}.ipynb", as_version=4)
    for cell in source.cells:
        if cells.is_solution(cell):
            body = cell.source.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0]
            assert body.strip() not in text


@pytest.mark.parametrize("name", NAMES)
def test_every_check_is_graded_publicly_and_hidden(name: str) -> None:
    source = nbformat.read(ROOT / "source" / name / f"{name}.ipynb", as_version=4)
    graded = [c for c in source.cells if cells.is_test(c)]
    called = [cells.check_calls(c.source) for c in graded]
    assert all(len(calls) == 2 and len(set(calls)) == 1 for calls in called)
    assert {calls[0] for calls in called} == set(assignments.checks(name))


@pytest.mark.parametrize("name", NAMES)
def test_points_in_the_text_are_the_points_of_the_cells(name: str) -> None:
    source = nbformat.read(ROOT / "source" / name / f"{name}.ipynb", as_version=4)
    rows = [line.split("|") for line in source.cells[0].source.splitlines() if line[:2] == "| "]
    promised = [int(row[3]) for row in rows if row[3].strip().isdigit()]
    given = [cells.points(c) for c in source.cells if cells.is_test(c)]
    by_hand = sum(cells.points(c) for c in source.cells if cells.is_manual(c))
    assert sorted(promised) == sorted([*given, by_hand])


@pytest.mark.parametrize("name", NAMES)
def test_no_graded_cell_depends_on_an_experiment(name: str) -> None:
    source = nbformat.read(ROOT / "source" / name / f"{name}.ipynb", as_version=4)
    assert cells.depending_on_experiments(source) == {}


@pytest.mark.parametrize("name", NAMES)
def test_figures_have_a_text_alternative(name: str) -> None:
    notebook = nbformat.read(ROOT / "reference" / name / f"{name}.ipynb", as_version=4)
    pictures = [
        o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})
    ]
    assert pictures
    assert all(len(o.metadata["image/png"]["alt"]) > 20 for o in pictures)


def test_solution_module_can_be_imported_alone() -> None:
    text = solution_module(ROOT / "source" / "dropout", "dropout")
    namespace: dict[str, object] = {}
    exec(text, namespace)
    assert callable(namespace["dropout_forward"])


def test_a_cell_that_depends_on_an_experiment_is_not_released() -> None:
    """It says so when the assignment is made, not on grading day."""
    from autograder.nbgrader_plugins import CheckSource

    source = nbformat.read(ROOT / "source" / "dropout" / "dropout.ipynb", as_version=4)
    plugin, resources = CheckSource(), {"nbgrader": {}}
    plugin.preprocess(source, resources)
    cell = next(c for c in source.cells if c.id == "dropout_forward")
    cell.source += "\nx = thinned  # made by an experiment\n"
    with pytest.raises(ValueError, match="dropout_forward uses thinned, which only experiments"):
        plugin.preprocess(source, resources)
    cell.source = "pass"
    test = next(c for c in source.cells if c.id == "test_dropout_mask")
    test.source = "check.dropout_musk(dropout_mask)"
    with pytest.raises(ValueError, match=r"check\.dropout_musk, which does not exist"):
        plugin.preprocess(source, resources)
