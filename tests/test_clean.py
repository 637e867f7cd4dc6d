"""What reaches a page of what a student wrote? Both pages, made by nbconvert under our settings, no browser.

``tests/browser`` opens such pages; here are the cases of which many are tried.
"""

from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import Config

from autograder.engine.results import MIME
from autograder.reports import clean
from autograder.reports.feedback import FeedbackExporter
from tests.browser.payloads import ATTACHMENT, MARKDOWN, OUTPUTS, PIXEL

RUNS = re.compile(
    r"""<(script|iframe|object|embed|form|input|button|style|link|meta|base|svg|math|template)\b"""
    r"""|<[^>]*\s(on\w+)\s*=|<[^>]*\b(href|src)\s*=\s*["']?\s*(?!https?://|mailto:|data:image/(png|jpeg|gif|svg)|\#|["'])""",
    re.IGNORECASE,
)
STUDENT = {
    "assignment_id": "a", "notebook_id": "n", "submission_id": "s", "index": 0, "total": 1,
    "base_url": "", "student": "s", "last_name": "", "first_name": "", "notebook_path": "p",
}  # fmt: skip
GRADED = {"nbgrader": {"notebook": "n", "score": 1.0, "max_score": 2.0, "late_penalty": 0}}


def formgrader(nb: NotebookNode, **about: str) -> str:
    """Return the Formgrader's page of a notebook, as its server extension makes it."""
    config = Config()
    config.HTMLExporter.update(clean.SETTINGS)
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    page, _ = HTMLExporter(config=config).from_notebook_node(nb, resources={**STUDENT, **about})
    return str(page)


def feedback(nb: NotebookNode) -> str:
    """Return the feedback page of a notebook, without a table of scores."""
    resources: dict[str, Any] = {**GRADED, "autograder": {"rows": []}}
    page, _ = FeedbackExporter().from_notebook_node(nb, resources=resources)
    return str(page)


PAGES = {"formgrader": formgrader, "feedback": feedback}


def inside(page: str) -> str:
    """Return what a page shows of the notebook."""
    start = page.index("notebook-container")
    end = page.index('class="help"') if 'class="help"' in page else page.index("</main>")
    return page[start:end]


def text_cell(source: str, **more: Any) -> NotebookNode:
    return new_notebook(cells=[new_markdown_cell(source, **more)])


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", MARKDOWN)
def test_text_runs_nothing(page: str, name: str) -> None:
    shown = inside(PAGES[page](text_cell(MARKDOWN[name], attachments=ATTACHMENT)))
    assert not RUNS.search(shown), RUNS.search(shown)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_run_nothing(page: str, name: str) -> None:
    nb = new_notebook(cells=[new_code_cell("1", outputs=[nbformat.from_dict(OUTPUTS[name])])])
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"m": {}}}}
    shown = inside(PAGES[page](nb))
    assert not RUNS.search(shown), RUNS.search(shown)


EVIL = '"><img src=x onerror=alert(1)>'


@pytest.mark.parametrize("page", PAGES)
def test_names_and_metadata_run_nothing(page: str) -> None:
    marks = {
        "grade_id": "a" + EVIL,
        "grade": True,
        "solution": False,
        "points": EVIL,
        "score": EVIL,
    }
    code = new_code_cell("1", metadata={"nbgrader": marks, "tags": [EVIL], "magics_language": EVIL})
    code.execution_count, code.id = EVIL, EVIL
    more = new_code_cell("2", metadata={"nbgrader": {**marks, "grade_id": "ok"}})
    odd = NotebookNode(cell_type=EVIL, source=EVIL, metadata=NotebookNode(), id="odd")
    raw = new_raw_cell(f"<script>{EVIL}</script>", metadata={"raw_mimetype": "text/html"})
    nb = new_notebook(metadata={"title": EVIL})
    nb.cells = [code, more, odd, raw]
    nb.metadata.language_info = {"name": EVIL, "pygments_lexer": EVIL}
    shown = PAGES[page](nb)
    assert not RUNS.search(re.sub(r"<(input|button|script)[^>]*>", "", inside(shown)))
    assert "<img src=x" not in shown.replace("&lt;img", "")


def test_names_of_people_and_files_run_nothing_in_the_formgrader() -> None:
    names = dict.fromkeys(clean.NAMES, EVIL + "</script><script>alert(1)//\\")
    page = formgrader(text_cell("x"), **names)
    assert "<img src=x" not in page
    assert "</script><script>alert" not in page
    assert "\\" not in page.split("var notebook_id")[1].split("\n")[0]


@pytest.mark.parametrize("page", PAGES)
def test_what_is_meant_to_be_seen_is_there(page: str) -> None:
    table = '<table><tr><td style="padding:1px 2px">✓</td><td><b>scaling</b></td></tr></table>'
    nb = new_notebook(
        cells=[
            new_markdown_cell(
                "# Head\n\n$a_b < c_d$ and $$\\frac{1}{2}$$\n\n\\begin{align}x &= 1\\end{align}\n\n"
                "| a |\n|---|\n| **b** |\n\n[site](https://example.org) <sub>2</sub>\n\n"
                "```python\nimport x\n```\n\n![plot](attachment:my%20plot.png)"
                f"\n\n![pasted](data:image/png;base64,{PIXEL})",
                attachments={"my plot.png": {"image/png": PIXEL}},
            ),
            new_code_cell(
                "def f(x):\n    return x  # comment",
                outputs=[
                    new_output(
                        "display_data",
                        data={"text/plain": "t", "text/html": table, MIME: {"check": "c"}},
                    ),
                    new_output(
                        "display_data",
                        data={"image/png": PIXEL},
                        metadata={"image/png": {"width": 7, "alt": "a <curve>"}},
                    ),
                    new_output("stream", name="stdout", text="\x1b[31mred <&\x1b[0m"),
                    new_output("execute_result", data={"text/plain": "6.67"}, execution_count=3),
                ],
            ),
        ]
    )
    shown = inside(PAGES[page](nb))
    for part in (
        "<h1>Head</h1>", "$a_b &lt; c_d$", "$$\\frac{1}{2}$$", "\\begin{align}x &amp;= 1\\end{align}",
        "<strong>b</strong>", 'href="https://example.org"', "<sub>2</sub>", 'class="kn">import<',
        '<td style="padding:1px 2px">✓</td>', "<b>scaling</b>", 'class="k">def<', "ansi-red-fg",
        "red &lt;&amp;", "6.67", 'alt="a &lt;curve&gt;"',
    ):  # fmt: skip
        assert part in shown, part
    assert shown.count(PIXEL) == 3
    assert re.search(r'width="?7\b', shown)


LONG = {
    "div": "<div>" * 10_000,
    "b": "<b>" * 10_000,
    "few": "<div>" * 3_000,
    "closed": "<i>" * 150 + "x" + "</i>" * 150,
    "links": "[a](http://b) " * 10_000,
    "images": "![" * 25_000,
    "megabytes": "word " * 1_000_000,
    "formulas": "$a " * 20_000,
    "quotes": ">" * 50_000,
    "lists": "- " * 25_000,
    "table": "|a" * 12_000 + "\n" + "|-" * 12_000,
    "environments": "\\begin{a}" * 10_000,
    "blanks": "a" + " " * 100_000 + "b",
    "open tags": "<" * 100_000,
    "lone": "\ud800 surrogate",
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", LONG)
def test_what_is_too_long_or_too_deep_comes_as_plain_text(page: str, name: str) -> None:
    shown = inside(PAGES[page](text_cell(LONG[name])))
    assert len(shown) < 8 * clean.BEGINNING
    assert clean._depth(shown) < clean.DEPTH + 50
    if name != "lone":
        assert "It begins so:" in shown or "left out" in shown


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("markup", ["<div>" * 10_000, "<b>x</b>" * 100_000])
def test_so_does_html_that_code_displays(page: str, markup: str) -> None:
    data = {"text/html": markup, "text/plain": "the table"}
    output = new_output("display_data", data=data)
    shown = inside(PAGES[page](new_notebook(cells=[new_code_cell("", outputs=[output])])))
    assert "It begins so:" in shown or "the table" in shown
    assert shown.count("<div") + shown.count("<b>") < 100


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_room_for_so_much_and_graded_cells_come_first(page: str) -> None:
    many = [new_code_cell("x=1\n" * 4000) for _ in range(500)]
    marks = {"grade_id": "mine", "grade": False, "solution": True, "points": 1}
    graded = new_code_cell("the_answer = 42", metadata={"nbgrader": marks})
    outputs = [new_output("stream", text="x" * 50_000) for _ in range(200)]
    many.append(new_code_cell("", outputs=outputs))
    shown = inside(PAGES[page](new_notebook(cells=[*many, graded])))
    assert len(shown) < 10 * clean.PAGE
    assert shown.count("<span") < 200_000
    assert "the_answer" in shown
    assert "the page is full" in shown


def test_pictures_have_room_of_their_own() -> None:
    big = "A" * 3_000_000
    text = f"before ![](data:image/png;base64,{big}) **after**"
    shown = inside(formgrader(text_cell(text)))
    assert "<strong>after</strong>" in shown
    assert big in shown


def test_the_courses_own_notebooks_fit(source: NotebookNode) -> None:
    page = clean.Page()
    for cell in source.cells:
        page.cell(cell)
    assert page.left_out == 0
    assert page.text > clean.PAGE / 2
