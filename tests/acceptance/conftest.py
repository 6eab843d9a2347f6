"""No test leaves a program running."""

from collections.abc import Iterator

import pytest

from tests.acceptance.processes import Program


@pytest.fixture(autouse=True)
def _no_program_left() -> Iterator[None]:
    before = set(Program.running)
    yield
    left = [program for program in Program.running if program not in before]
    for program in left:
        program.stop()
    assert not left, f"left running: {[program.command for program in left]}"
