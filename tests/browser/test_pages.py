"""Do the pages that show submissions work, and does nothing of a student's run in them?"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter

from tests.browser.conftest import Lab

By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
Wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait

ATTACKERS = ("mallory", "elsewhere")
# Elements, attributes and addresses inside of the notebook that run, load, or pass for the page's own.
SUSPICIOUS = """
const root = document.querySelector('#notebook'), found = [];
const boxes = '.scoring-buttons *, .nbgrader_cell .score, .nbgrader_cell .extra-credit, .panel-footer *';
for (const e of root.querySelectorAll('*')) {
  if (e.matches(boxes)) continue;
  if (/^(script|iframe|object|embed|form|input|button|style|link|meta|base|svg|math|template|noscript)$/i.test(e.tagName))
    found.push(e.outerHTML.slice(0, 200));
  for (const a of e.attributes) {
    if (/^on/i.test(a.name) || /javascript:/i.test(a.value)) found.push(e.outerHTML.slice(0, 200));
    if (/^(src|href|data|action)$/i.test(a.name) && !/^(https?:|mailto:|data:image\\/|#)/i.test(a.value))
      found.push(e.outerHTML.slice(0, 200));
    if (a.name == 'style' && /position|url/i.test(a.value)) found.push(e.outerHTML.slice(0, 200));
  }
}
return found;
"""


def open_submission(browser: Any, lab: Lab, student: str) -> None:
    """Open a student's notebook, and wait until the Formgrader has put scores and comments in."""
    lab.sign_in(browser)
    browser.get(lab.submission(student))
    script = "return window.formgrader?.grades?.loaded && formgrader.comments?.loaded"
    Wait(browser, 30).until(lambda b: b.execute_script(script))


def nothing_ran(browser: Any) -> None:
    """Click on everything that a student wrote, and check that nothing of it ran."""
    browser.execute_script(
        "for (const e of document.querySelectorAll('#notebook a, #notebook summary'))"
        " { e.target = '_self'; if (!/^http/.test(e.href)) e.click(); }"
    )
    assert browser.execute_script("return window.pwned || null") is None
    assert browser.execute_script(SUSPICIOUS) == []


def box(browser: Any, name: str) -> Any:
    return browser.find_element(By.ID, name)


def test_formgrader_shows_partial_points_tables_and_hidden_tests(
    browser: Any, lab: Lab, shot: Callable[[str], None]
) -> None:
    with urllib.request.urlopen(lab.submission("boris"), timeout=60) as answer:
        assert answer.status == 200
    open_submission(browser, lab, "boris")
    _id, scores = lab.grades("boris")
    shown = box(browser, "test_dropout_forward").get_attribute("placeholder")
    assert float(shown) == scores["test_dropout_forward"]
    assert 0 < float(shown) < 8
    shown = browser.find_element(By.ID, "notebook").text
    assert (
        "your kept units are not divided by 1 - p" in shown
    )  # our sentence, from CheckResult.html
    assert "def dropout_forward" in shown  # the student's code
    assert "hidden=True" in shown  # teachers see hidden tests
    tables = browser.find_elements(By.CSS_SELECTOR, ".output_html table td")
    assert any("✗" in cell.text for cell in tables)
    shot("partial")


def test_points_and_a_comment_given_in_the_formgrader_count(
    browser: Any, lab: Lab, shot: Callable[[str], None]
) -> None:
    open_submission(browser, lab, "ada")
    name = "question_evaluation"
    score, comment = box(browser, name), box(browser, f"{name}-comment")
    score.clear()
    score.send_keys("1.5")
    comment.send_keys("Well explained.")
    comment.send_keys(Keys.TAB)
    saved = "return formgrader.grades.findWhere({name: arguments[0]}).get('manual_score')"
    Wait(browser, 20).until(lambda b: b.execute_script(saved, name) == 1.5)
    Wait(browser, 20).until(
        lambda b: b.execute_script(
            "return formgrader.comments.findWhere({name: arguments[0]}).get('manual_comment')", name
        )
    )
    shot("graded")
    open_submission(browser, lab, "ada")
    assert box(browser, name).get_attribute("value") == "1.5"
    assert box(browser, f"{name}-comment").get_attribute("value") == "Well explained."
    browser.get(lab.at("/formgrader/gradebook/dropout/dropout"))
    Wait(browser, 30).until(lambda b: "45.5 / 50" in b.find_element(By.TAG_NAME, "body").text)
    shot("total")


@pytest.mark.parametrize("student", ATTACKERS)
def test_nothing_of_a_students_runs_in_the_formgrader(
    browser: Any, lab: Lab, shot: Callable[[str], None], student: str
) -> None:
    open_submission(browser, lab, student)
    assert box(browser, "test_dropout_forward").get_attribute("placeholder") == "8"
    nothing_ran(browser)
    shot("page")


@pytest.mark.parametrize("student", ATTACKERS)
def test_nothing_of_a_students_runs_on_the_feedback_page(
    browser: Any, graded: Path, shot: Callable[[str], None], student: str
) -> None:
    browser.get((graded / f"feedback/{student}/dropout/dropout.html").as_uri())
    assert "dropout: 44" in browser.find_element(By.TAG_NAME, "h1").text
    nothing_ran(browser)
    shot("page")


def test_feedback_page_tells_points_and_reasons(
    browser: Any, graded: Path, shot: Callable[[str], None]
) -> None:
    browser.get((graded / "feedback/boris/dropout/dropout.html").as_uri())
    shown = browser.find_element(By.TAG_NAME, "main").text
    assert "your kept units are not divided by 1 - p" in shown
    assert "hidden=True" not in shown
    shot("page")


def test_the_content_security_policy_is_a_second_wall(
    browser: Any, graded: Path, tmp_path: Path
) -> None:
    page = (graded / "feedback/boris/dropout/dropout.html").read_text(encoding="utf-8")
    attack = "<img src=x onerror='window.pwned=1'><script>window.pwned=2</script>"
    (tmp_path / "page.html").write_text(page.replace("</main>", attack + "</main>"))
    browser.get((tmp_path / "page.html").as_uri())
    assert browser.execute_script("return window.pwned || null") is None
    (tmp_path / "bare.html").write_text(f"<main>{attack}</main>")
    browser.get((tmp_path / "bare.html").as_uri())
    assert browser.execute_script("return window.pwned")


@pytest.mark.parametrize("student", ATTACKERS)
def test_the_attacks_run_under_stock_settings(
    browser: Any, graded: Path, tmp_path: Path, student: str
) -> None:
    """Otherwise the tests above would show nothing."""
    notebook = nbformat.read(graded / f"autograded/{student}/dropout/dropout.ipynb", as_version=4)
    for cell in notebook.cells:  # stock settings stop at some things before they reach a page
        cell.source = cell.source.replace("attachment:", "")
        if "http-equiv" in cell.source:  # would leave the page
            cell.source = ""
        if cell.cell_type == "code":
            cell.execution_count = None
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    ran = set(browser.execute_script("return window.pwned || []"))
    expected = (
        {"script", "onerror", "heading"}
        if student == "mallory"
        else {"output html", "width", "markdown"}
    )
    assert expected <= ran
    assert browser.execute_script(SUSPICIOUS) != []
