"""Does every attack fail: by itself, all in one batch through the other two commands, and as an ordinary user?

Hours are not needed, but the better part of one: ``make acceptance``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import psutil
import pytest
from nbgrader.api import Gradebook

from autograder.course import nbgrader
from tests.attacks import ATTACKS
from tests.attacks.kinds import FOREVER, MARK, Attack
from tests.conftest import ISOLATION, NO_SANDBOX, ROOT
from tests.redteam import (
    LIMITS,
    NAME,
    WHY_NO_USER,
    Examiner,
    complaints,
    hand_in,
    hostile_lines,
    listening,
    make_course,
)
from tests.test_grade import GOOD

pytestmark = pytest.mark.acceptance

WALLS = [name for name, attack in ATTACKS.items() if attack.walls]
CONFIG = f"""
exec(compile(open({str(ROOT / "nbgrader_config.py")!r}).read(), "nbgrader_config.py", "exec"))
for name, value in {LIMITS!r}.items():
    setattr(c.Examine, name, value)
c.Examine.isolation = {ISOLATION!r}
"""
SECONDS = 3 * 3600  # in which a batch of all attacks does not hang


# -- each by itself -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    opened = Examiner()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def users_examiner() -> Iterator[Examiner]:
    opened = Examiner(user=True)
    yield opened
    opened.close()


def skip_if_pointless(attack: Attack, user: bool) -> None:
    if attack.walls and NO_SANDBOX:
        pytest.skip(NO_SANDBOX)
    if attack.only_root and user:
        pytest.skip("only root can hand that in")


@pytest.mark.parametrize("name", ATTACKS)
def test_alone(examiner: Examiner, name: str) -> None:
    skip_if_pointless(ATTACKS[name], os.geteuid() != 0)
    told = examiner.grade(ATTACKS[name])
    assert told.complaints(ATTACKS[name]) == [], told.says


@pytest.mark.skipif(bool(WHY_NO_USER), reason=WHY_NO_USER or "there is another user")
@pytest.mark.parametrize("name", WALLS)
def test_as_an_ordinary_user(users_examiner: Examiner, name: str) -> None:
    skip_if_pointless(ATTACKS[name], True)
    told = users_examiner.grade(ATTACKS[name])
    assert told.complaints(ATTACKS[name]) == [], told.says


# -- all in one batch -----------------------------------------------------------------------------


def student(number: int) -> str:
    return f"s{number:04}"


TRIED = {
    student(n): attack
    for n, attack in enumerate(ATTACKS.values())
    if not (attack.walls and NO_SANDBOX) and not (attack.only_root and os.geteuid())
}
NAMES = dict(zip(map(student, range(len(ATTACKS))), ATTACKS, strict=True))


class Batch:
    """A course in which every attack was handed in, and what one command made of it."""

    def __init__(self, command: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="red-")).resolve()
        self.course = make_course(self.folder / "course")
        (self.course / "nbgrader_config.py").write_text(CONFIG)
        nbgrader(self.course, "generate_assignment", NAME)
        temporary = self.folder / "tmp"
        temporary.mkdir()
        with listening(self.folder) as places:
            for who, attack in TRIED.items():
                hand_in(self.course, who, attack, places)
            hand_in(self.course, "zoe", Attack(GOOD["mask"]), places)  # the last one is graded, too
            words = {
                "nbgrader": ["nbgrader", "autograde", NAME],
                "autograder": ["autograder.cli", "autograde", NAME, "--course", str(self.course)],
            }[command]
            done = subprocess.run(
                [sys.executable, "-m", *words], cwd=self.course, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="surrogateescape",
                env={**os.environ, "TMPDIR": str(temporary), "AUTOGRADER_DATASET": "digits", "NO_COLOR": "1",
                     "A_SECRET_OF_THE_INSTRUCTOR": "hunter2"},
            )  # fmt: skip
        self.status, self.log = done.returncode, done.stdout
        self.left = [str(path) for path in temporary.iterdir()]
        self.scores = self._scores()

    def _scores(self) -> dict[str, dict[str, float | None]]:
        with Gradebook(f"sqlite:///{self.course / 'gradebook.db'}") as gradebook:
            return {
                submission.student.id: {
                    grade.name: grade.auto_score
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                }
                for submission in gradebook.assignment_submissions(NAME)
            }


@pytest.fixture(scope="module", params=["nbgrader", "autograder"])
def batch(request: pytest.FixtureRequest) -> Iterator[Batch]:
    made = Batch(request.param)
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)
    subprocess.run(["rm", "-rf", str(made.folder)], check=True)


def test_every_attack_has_its_score_and_no_more(batch: Batch) -> None:
    wrong = {}
    for who, attack in TRIED.items():
        points = batch.scores.get(who)
        unread = (
            attack.honest is not True and not points
        )  # could not be graded: no score, and said so
        if unread and who in batch.log:
            continue
        if found := complaints(attack, points or {}):
            wrong[NAMES[who]] = found
    assert wrong == {}, batch.log[-2000:]


def test_the_honest_have_all_points(batch: Batch) -> None:
    for who in ("solved", "zoe"):
        assert batch.scores[who]["test_dropout_mask"] == 10
        assert batch.scores[who]["test_classic_dropout_forward"] == 10


def test_the_log_does_nothing_to_a_terminal(batch: Batch) -> None:
    progress = re.compile(r"\x1b\[A|\x1b\[K")
    assert [line for line in hostile_lines(progress.sub("", batch.log)) if "it/s" not in line] == []


def test_nothing_is_left(batch: Batch) -> None:
    assert [
        path for path in batch.left if "autograder-training" not in path and "grade" not in path
    ] == []
    end = time.monotonic() + 10
    while (left := marked_processes()) and time.monotonic() < end:
        time.sleep(0.2)
    assert left == []
    for folder in (Path("/dev/shm"), Path("/tmp"), Path.home(), Path("/")):
        assert list(folder.glob(f"{MARK}*")) == []
    keys = Path("/proc/keys")
    if keys.exists():
        assert MARK not in keys.read_text()


def marked_processes() -> list[list[str]]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if FOREVER in (process.info["cmdline"] or []):
            found.append(process.info["cmdline"])
    return found


class Active(HTMLParser):
    """What a page would do: its scripts, its attributes that are scripts, its links to them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            bare = re.sub(r"[\s\x00-\x1f]", "", value or "").lower()
            if name.startswith("on") or (
                name in ("href", "src", "action", "formaction", "xlink:href", "data", "srcdoc")
                and bare.startswith(
                    ("javascript:", "vbscript:", "data:text", "//", "files/javascript:")
                )
            ):
                self.found.append(f"<{tag} {name}={value!r}>")
        if tag in ("iframe", "object", "embed", "base", "form", "math") or (
            tag == "meta" and ("http-equiv", "refresh") in attrs
        ):
            self.found.append(f"<{tag}>")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and "alert(" in data:
            self.found.append(data[:100])


def test_pages_do_nothing(batch: Batch) -> None:
    start = time.monotonic()
    log = nbgrader(batch.course, "generate_feedback", NAME, check=False)
    assert time.monotonic() - start < 30 * 60
    wrong = {}
    for who in batch.scores:
        path = batch.course / "feedback" / who / NAME / f"{NAME}.html"
        if not path.exists():
            wrong[NAMES.get(who, who)] = ["no page"]
            continue
        page = Active()
        page.feed(path.read_text(encoding="utf-8"))
        if page.found:
            wrong[NAMES.get(who, who)] = page.found[:3]
        if "alert('mine')" in path.read_text(encoding="utf-8"):
            wrong[NAMES.get(who, who)] = ["a page that was handed in"]
    assert wrong == {}, log[-2000:]
