"""Which limits and which environment a script runs with."""

import platform

import pytest

from sidecar.catalog.compile import make_script
from sidecar.configuration.tree import Configuration
from sidecar.hosts.grants import Grants
from sidecar.kind import Kind
from sidecar.runs.programs import call_programs, decision_programs

DECISIONS = decision_programs(Configuration(), Grants())
CALLS = call_programs(Configuration(), Grants())


@pytest.mark.parametrize(
    ("own", "decision", "call"), [(None, 100_000_000, 20_000_000), (7_000_000, 7_000_000, 7_000_000)]
)
def test_memory_is_all_decisions_together_and_each_call_alone(own: int | None, decision: int, call: int) -> None:
    script = make_script(id="s", name="s.js", kind=Kind.APP, text="function main() {}", memory_bytes=own)
    deciding, driving = (
        decision_programs(Configuration(), Grants()).of(script),
        call_programs(Configuration(), Grants()).of(script),
    )
    assert (deciding.memory_bytes, deciding.shared_memory) == (decision, True)
    assert (driving.memory_bytes, driving.shared_memory) == (call, False)


def test_what_process_env_has_of_the_script_and_its_host() -> None:
    script = make_script(
        id="s",
        name="s.js",
        kind=Kind.APP,
        text="function main() {}",
        uuid="u",
        app="a",
        environment={"OWN": "x"},
    )
    for program in (
        decision_programs(Configuration(), Grants()).of(script),
        call_programs(Configuration(), Grants()).of(script),
    ):
        assert program.environment == {
            "OWN": "x",
            "SCRIPTFORGE_ID": "s",
            "SCRIPTFORGE_UUID": "u",
            "SCRIPTFORGE_NAME": "s.js",
            "APP_ID": "a",
            "EXEC_HOST": platform.node(),
        }
