"""Fixtures: the reference solution of this assignment."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.conftest import load_solution


@pytest.fixture(scope="session")
def solution() -> ModuleType:
    return load_solution("optimizers")
