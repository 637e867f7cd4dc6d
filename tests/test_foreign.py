"""Can a text from outside command a terminal or a CI system? And do all three commands print it through there?"""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path

import pytest

from autograder.cohort.run import Batch, table
from autograder.examiner.grade import CellGrade, NotebookGrade, State
from autograder.foreign import line, lines
from autograder.reports import terminal

COMMAND = re.compile(r"^\s*::\S|##\s*\w*\[", re.MULTILINE)
HOSTILE = [
    "::set-output name=x::y",
    "   ::error file=a::b",
    "\t::warning::x",
    "fine\n::stop-commands::t",
    "fine\r::add-mask::t",
    "fine\u2028::error::t",
    "fine\x85::error::t",
    "fine\v::error::t",
    ":::error::t",
    "x" * 93 + " ::error::wrapped to the start of a line",
    "x" * 94 + "::error::a long word is cut",
    "##[error]x",
    "x ##vso[task.setvariable]y",
    "###[group]x",
    "## [section]x",
    "##teamcity[x]",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "a\x08\x08\x08b\x00\x7f",
    "\u202etxt.exe\u202c \u2066x\u2069 \u200f \ufeff",
    "\udcff\ud800 lone",
    "\U000e0001 tags",
    "section_start:1:x\r\x1b[0K",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_one_line_that_is_no_command(text: str) -> None:
    shown = line(text)
    assert "\n" not in shown
    assert shown.isprintable()
    assert not COMMAND.search(shown)
    shown.encode("utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_lines_keep_their_breaks_and_nothing_else(text: str) -> None:
    shown = lines(text)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    assert not COMMAND.search(shown)


def test_ordinary_text_stays_as_it_is() -> None:
    for text in (
        "✓ größer als 0,5: x[1:2] → ok #1",
        "한국어, עברית, می\u200cخواهم",
        "C:\\Users\\a b",
    ):
        assert line(text) == text
    assert lines("a\n\tb\n") == "a\n\tb\n"
    assert line("a\n   b\tc") == "a b c"
    assert line("\x1b[31m") == "\\x1b[31m"


def test_long_texts_are_cut() -> None:
    assert line("x" * 5000) == "x" * 2000 + " … (3000 characters more)"
    assert len(line("x" * 50_000_000)) < 2100
    assert len(lines("x\n" * 5_000_000)) < 51_000


@pytest.mark.parametrize("text", HOSTILE)
def test_the_table_of_a_notebook(text: str) -> None:
    path = Path(text.replace("\x00", "") + ".ipynb")
    cell = CellGrade(text, 1, 2, State.PARTIAL, text)
    printed = terminal.table(NotebookGrade(path, "dropout", [cell], [text]))
    printed += "\n" + terminal.table(NotebookGrade(path, text, reason=text))
    assert printed.replace("\n", "").isprintable()
    assert not COMMAND.search(printed)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_table_of_a_class(text: str) -> None:
    printed = table(Batch(failed={text: text}))
    assert printed.count("\n") == 1
    assert printed.replace("\n", "").isprintable()
    assert not COMMAND.search(printed)


@pytest.mark.parametrize("text", HOSTILE)
def test_lines_of_nbgraders_log(text: str) -> None:
    from autograder.nbgrader_plugins import PlainLog

    formatter = PlainLog("%(color)s[%(name)s]%(end_color)s %(message)s")
    try:
        raise ValueError(text)
    except ValueError as error:
        about = (type(error), error, error.__traceback__)
    record = logging.LogRecord("AutogradeApp", logging.ERROR, "", 1, "copying %s", (text,), about)
    shown = formatter.format(record)
    assert shown.startswith("[AutogradeApp] copying ")
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    assert not COMMAND.search(shown)


def test_nbgraders_own_lines_pass_through_there(tmp_path: Path) -> None:
    """The configuration of the course says so: file names come into nbgrader's log unasked."""
    from autograder.course import nbgrader
    from tests.conftest import ROOT

    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    for student in ("a\n::error::b", "c\x1b[2J##[error]"):
        folder = tmp_path / "submitted" / student / "dropout"
        folder.mkdir(parents=True)
        (folder / "dropout.ipynb").write_text("{}")
    log = nbgrader(tmp_path, "autograde", "dropout", check=False)
    assert ": :error: :b" in log
    assert "\\x1b[2J# #[error]" in log
    assert not COMMAND.search(log)
    assert "\x1b" not in log


def test_a_json_report_holds_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from autograder.cli import main
    from tests.conftest import ISOLATION, ROOT

    path, report = tmp_path / "a\udcff\n::error::.ipynb", tmp_path / "report.json"
    path.write_text("no notebook")
    status = main(
        ["grade", str(path), "--course", str(ROOT), "--json", str(report), "--isolation", ISOLATION]
    )
    assert status == 2
    assert not COMMAND.search(capsys.readouterr().out)
    shown = json.loads(report.read_text())["notebooks"][0]["path"]
    # A lone surrogate is text that no file holds; pytest's own report of a failure could not hold it either.
    assert ascii(shown) == ascii(str(path).replace("\udcff", "\ufffd"))
