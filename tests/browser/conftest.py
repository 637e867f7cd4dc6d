"""Fixtures: headless Chromium, a graded course, and the real JupyterLab with the Formgrader in it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.course import nbgrader
from autograder.demo import write
from autograder.examiner import cells
from tests.browser.payloads import ATTACHMENT, MARKDOWN, OUTPUTS, wrap
from tests.conftest import ISOLATION, ROOT

TOKEN = "a-token-of-this-test"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
SHOTS = Path(os.environ.get("AUTOGRADER_SCREENSHOTS") or ROOT / "build" / "screenshots")
HIGHEST = 12_000  # pixels of a picture
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1280,1600",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # pages must work without a network
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser of its own; skips with the reason where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not CHROMIUM or not DRIVER:
        pytest.skip(
            "no chromium and chromedriver on PATH (apt-get install chromium chromium-driver)"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=DRIVER)
    )
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def shot(browser: Any, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a picture of the page as ``<test>-<name>.png``, and one of its end if it is very long."""

    def take(name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        where = str(SHOTS / f"{request.node.name}-{name}")
        height = browser.execute_script("return document.documentElement.scrollHeight")
        browser.set_window_size(1280, min(max(height, 800), HIGHEST))
        browser.save_screenshot(f"{where}.png")
        if height > HIGHEST:
            browser.set_window_size(1280, 4000)
            browser.execute_script("window.scrollTo(0, document.documentElement.scrollHeight)")
            browser.save_screenshot(f"{where}-end.png")
        browser.set_window_size(1280, 1600)

    return take


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with the assignment dropout, generated, autograded, with feedback pages.

    ``ada`` solved it, ``boris`` has partial points, ``mallory`` attacks whoever reads her work: in the
    submission itself, and (``elsewhere``) in outputs of an autograded notebook that came from elsewhere.
    """
    course = tmp_path_factory.mktemp("graded") / "course"
    shutil.copytree(ROOT / "source" / "dropout", course / "source" / "dropout")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    os.environ["AUTOGRADER_ISOLATION"] = ISOLATION
    try:
        nbgrader(course, "generate_assignment", "dropout")
        for student in ("ada", "boris", "mallory", "elsewhere"):
            submit(course, student)
        nbgrader(course, "autograde", "dropout")
        poison(course / "autograded/elsewhere/dropout/dropout.ipynb")
        nbgrader(course, "generate_feedback", "dropout")
    finally:
        del os.environ["AUTOGRADER_ISOLATION"]
    return course


def submit(course: Path, student: str) -> None:
    """Hand in what a student made."""
    from autograder.assignments.dropout.submissions import SUBMISSIONS

    source = nbformat.read(course / "source/dropout/dropout.ipynb", as_version=4)
    answers = {cells.grade_id(c): c.source for c in source.cells if cells.is_solution(c)}
    if student == "boris":
        answers |= SUBMISSIONS["boris-unscaled"]
    notebook = nbformat.read(course / "release/dropout/dropout.ipynb", as_version=4)
    if student == "mallory":
        added = nbformat.v4.new_code_cell("\n".join(map(wrap, OUTPUTS.values())))
        notebook.cells += [
            nbformat.v4.new_markdown_cell(text, attachments=ATTACHMENT)
            for text in MARKDOWN.values()
        ]
        notebook.cells.append(added)
    write(notebook, answers)
    folder = course / "submitted" / student / "dropout"
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "dropout.ipynb")


def poison(path: Path) -> None:
    """Put every kind of output that a page may run into an autograded notebook, as if made elsewhere."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs += [nbformat.from_dict(output) for output in OUTPUTS.values()]
    notebook.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": {"m": {}}, "version_major": 2}
    }
    added = nbformat.v4.new_code_cell("1")
    added["execution_count"] = "<img src=x onerror=\"pwn('execution count')\">"
    added["metadata"] = {
        "magics_language": "<script>pwn('language')</script>",
        "tags": ["\"><script>pwn('tag')</script>"],
    }
    raw = nbformat.v4.new_raw_cell(
        "<script>(window.pwned = window.pwned || []).push('raw')</script>"
    )
    notebook.cells += [added, raw]
    path.chmod(0o644)
    path.write_text(nbformat.v4.writes(notebook), encoding="utf-8")


@dataclass
class Lab:
    """A running JupyterLab."""

    course: Path
    url: str

    def at(self, path: str) -> str:
        """Return the address of a page, with the token."""
        return f"{self.url}{path}?token={TOKEN}"

    def sign_in(self, browser: Any) -> None:
        """Get the cookie with which a page's own requests are answered."""
        browser.get(self.at("/login"))

    def grades(self, student: str) -> tuple[str, dict[str, float | None]]:
        """Return the id of a student's notebook in the gradebook, and its automatic scores."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.course / 'gradebook.db'}") as gradebook:
            found = gradebook.find_submission_notebook("dropout", "dropout", student)
            return found.id, {grade.name: grade.auto_score for grade in found.grades}

    def submission(self, student: str) -> str:
        """Return the address of a student's notebook in the Formgrader."""
        return self.at(f"/formgrader/submissions/{self.grades(student)[0]}/")


@pytest.fixture(scope="session")
def lab(graded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab, started in the course directory as an instructor does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    log = (home / "lab.log").open("w")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
        ],
        cwd=graded, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        env=environment | {"HOME": str(home), "AUTOGRADER_DATASET": "digits"},
    )  # fmt: skip
    lab = Lab(graded, f"http://127.0.0.1:{port}")
    try:
        for _attempt in range(240):
            try:
                urllib.request.urlopen(lab.at("/api/status"), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (home / "lab.log").read_text()
                time.sleep(0.5)
        else:
            pytest.fail((home / "lab.log").read_text())
        yield lab
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        text = (home / "lab.log").read_text()
        SHOTS.mkdir(parents=True, exist_ok=True)
        (SHOTS / "lab.log").write_text(re.sub(TOKEN, "…", text))
