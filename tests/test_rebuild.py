"""Is the graded notebook ours, with the student's cells and nothing else of theirs?"""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.examiner import cells, handed_in
from autograder.examiner.rebuild import STUB, rebuild


def sources(notebook: NotebookNode) -> list[str]:
    return [c.source for c in notebook.cells]


def cell(notebook: NotebookNode, id: str) -> NotebookNode:
    return next(c for c in notebook.cells if c.id == id)


def index(notebook: NotebookNode, id: str) -> int:
    return [c.id for c in notebook.cells].index(id)


def test_untouched_release_gives_the_course_notebook_with_stubs(source, released) -> None:
    result = rebuild(source, released)
    assert result.remarks == []
    assert result.missing == []
    assert [c.id for c in result.notebook.cells] == [c.id for c in source.cells]
    assert "NotImplementedError" in cell(result.notebook, "dropout_mask").source
    assert "hidden=True" in cell(result.notebook, "test_dropout_mask").source


def test_solved_notebook_gives_the_source_itself(source, solved) -> None:
    result = rebuild(source, solved)
    assert sources(result.notebook) == sources(source)


def test_nothing_but_source_is_taken(source, solved) -> None:
    tampered = copy.deepcopy(solved)
    for c in tampered.cells:
        c.metadata["tags"] = ["skip-execution", cells.EXPERIMENT]
        c.metadata["evil"] = "<script>"
        if "nbgrader" in c.metadata and "points" in c.metadata.nbgrader:
            c.metadata.nbgrader.points = 300
            c.metadata.nbgrader.locked = False
        if c.cell_type == "code":
            c.outputs = [nbformat.v4.new_output("stream", text="forged")]
    tampered.metadata.kernelspec = {"name": "evil", "display_name": "x", "language": "bash"}
    result = rebuild(source, tampered)
    assert result.notebook.metadata == source.metadata
    assert [c.metadata for c in result.notebook.cells] == [c.metadata for c in source.cells]
    assert all(not c.outputs for c in result.notebook.cells if c.cell_type == "code")


def test_deleted_test_cell_is_restored(source, solved) -> None:
    solved.cells = [c for c in solved.cells if c.id != "test_dropout_mask"]
    result = rebuild(source, solved)
    assert sources(result.notebook) == sources(source)
    assert result.remarks == ["missing test cells are restored: test_dropout_mask"]


def test_edited_test_cell_is_restored(source, solved) -> None:
    cell(solved, "test_dropout_mask").source = "print('all good')"
    result = rebuild(source, solved)
    assert sources(result.notebook) == sources(source)
    assert result.remarks == ["cell test_dropout_mask was edited and is restored"]


def test_test_cell_turned_into_text_is_restored(source, solved) -> None:
    i = index(solved, "test_dropout_mask")
    turned = new_markdown_cell(solved.cells[i].source, metadata=solved.cells[i].metadata)
    solved.cells[i] = turned
    assert sources(rebuild(source, solved).notebook) == sources(source)


def test_duplicated_test_cell_is_ignored(source, solved) -> None:
    i = index(solved, "test_dropout_mask")
    solved.cells.insert(i, copy.deepcopy(solved.cells[i]))
    result = rebuild(source, solved)
    assert sources(result.notebook) == sources(source)
    assert result.remarks == ["cell test_dropout_mask is there more than once"]


def test_later_copy_of_a_solution_cell_wins_as_in_the_students_notebook(source, solved) -> None:
    i = index(solved, "dropout_mask")
    again = copy.deepcopy(solved.cells[i])
    again.source = "def dropout_mask(shape, p, rng): return 'later'"
    solved.cells.insert(i + 1, again)
    rebuilt = sources(rebuild(source, solved).notebook)
    assert rebuilt[i] == cell(source, "dropout_mask").source
    assert rebuilt[i + 1] == again.source


def test_missing_solution_cell_becomes_a_stub(source, solved) -> None:
    solved.cells = [c for c in solved.cells if c.id != "dropout_backward"]
    result = rebuild(source, solved)
    assert cell(result.notebook, "dropout_backward").source == STUB
    assert result.missing == ["dropout_backward"]


def test_added_cells_stay_in_their_places(source, solved) -> None:
    i = index(solved, "dropout_mask")
    solved.cells.insert(i, new_code_cell("import math"))
    solved.cells.insert(0, new_code_cell("first = 1"))
    solved.cells.append(new_markdown_cell("thanks"))
    rebuilt = rebuild(source, solved).notebook
    assert rebuilt.cells[0].source == "first = 1"
    assert rebuilt.cells[-1].source == "thanks"
    assert sources(rebuilt)[index(rebuilt, "dropout_mask") - 1] == "import math"


def test_edited_setup_is_kept_beside_ours(source, solved) -> None:
    # an ordinary cell of the release, not locked by nbgrader
    for notebook in (source, solved):
        notebook.cells.insert(1, new_code_cell("import os", id="ordinary"))
    solved.cells[1].source = "import os, math"
    rebuilt = rebuild(source, solved).notebook
    assert sources(rebuilt)[1:3] == ["import os", "import os, math"]


def test_edited_experiments_are_not_executed(source, solved) -> None:
    cell(solved, "seeds").source = "1 / 0"
    rebuilt = rebuild(source, solved).notebook
    assert sources(rebuilt) == sources(source)


def test_written_answers_and_their_pictures_are_kept(source, solved) -> None:
    answer = cell(solved, "answer_evaluation")
    answer.source = "Because E[mx] = x. ![sketch](attachment:a.png)"
    answer.attachments = {"a.png": {"image/png": "aGVsbG8="}}
    question = cell(solved, "question_evaluation")
    question.source = "(answer written over the question)"
    rebuilt = rebuild(source, solved).notebook
    assert cell(rebuilt, "answer_evaluation").source == answer.source
    assert cell(rebuilt, "answer_evaluation").attachments == answer.attachments
    assert cell(rebuilt, "question_evaluation").source == cell(source, "question_evaluation").source


@pytest.mark.parametrize("keep_ids", [True, False])
def test_lost_metadata_is_no_loss(source, solved, keep_ids: bool) -> None:
    """Some editors drop nbgrader's metadata, some the cell ids too."""
    for i, c in enumerate(solved.cells):
        c.metadata = NotebookNode()
        if not keep_ids:
            c.id = f"new-{i}"
    result = rebuild(source, solved)
    assert sources(result.notebook) == sources(source)
    assert result.missing == []


def test_another_notebook_is_not_recognised(source) -> None:
    other = nbformat.v4.new_notebook(cells=[new_code_cell("print('hello')")])
    assert rebuild(source, other).recognised == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b'{"cells": [', "not JSON"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"cells": [[[', "not JSON"),
        (b"[]", "not a notebook"),
        (b'{"a": 1}', "not a notebook"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "not a notebook"),
        (b'{"nbformat": 99, "nbformat_minor": 5, "metadata": {}, "cells": []}', "not a notebook"),
    ],
)
def test_files_that_are_no_notebooks(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(handed_in.UnreadableNotebook, match=words):
        handed_in.read_notebook(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(handed_in.UnreadableNotebook, match="No such file"):
        handed_in.read_notebook(tmp_path / "none.ipynb")


@pytest.mark.parametrize(
    "cell",
    [
        '{"cell_type": "code", "source": ["a = 1\\n", "2"], "metadata": [], "id": 7}',
        '{"cell_type": "code", "source": ["a = 1\\n", 2]}',
        '{"cell_type": 3, "source": 4, "metadata": {"nbgrader": 5, "tags": 6}}',
        '{"source": null}',
        "5",
        "null",
    ],
)
def test_cells_of_another_form_are_tidied_or_refused(source, tmp_path: Path, cell: str) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(f'{{"nbformat": 4, "nbformat_minor": 5, "metadata": {{}}, "cells": [{cell}]}}')
    try:
        read = handed_in.read_notebook(path)
    except handed_in.UnreadableNotebook as error:
        assert "not a notebook" in str(error)  # noqa: PT017
    else:
        assert rebuild(source, read).recognised == 0


def test_check_calls_are_found_in_order() -> None:
    source = "check.a(f)\nx = check.b(f, hidden=True)\nother.c(f)"
    assert cells.check_calls(source) == ["a", "b"]
    assert cells.public_part("a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS\nc") == "a\nc"
    assert cells.defined_functions("def f(:\n") == {"f"}
