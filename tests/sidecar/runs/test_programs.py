"""Which limits and which environment a script runs with."""

import platform

import pytest

from sidecar.catalog.compile import make_script
from sidecar.configuration.tree import Configuration
from sidecar.hosts.grants import Grants, shipped_modules
from sidecar.kind import Kind
from sidecar.runs.programs import call_programs, decision_programs, request_programs, worker_programs

GRANTS = Grants(shipped_modules())
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


def test_a_worker_has_half_the_memory_of_an_app_unless_it_has_its_own() -> None:
    made = worker_programs(Configuration(), Grants())
    for own, worker, app in ((None, 25_000_000, 50_000_000), (7_000_000, 7_000_000, 7_000_000)):
        for kind, memory in ((Kind.WORKER, worker), (Kind.APP, app)):
            script = make_script(id=f"{kind}{own}", name="s.js", kind=kind, text="", memory_bytes=own)
            assert made.of(script).memory_bytes == memory


def test_calls_are_for_apps_and_workers_and_a_script_has_no_modules_at_all() -> None:
    calls = {"cxOriginate", "cxCallControl"}
    for kind, has, has_calls in (
        (Kind.APP, True, True),
        (Kind.WORKER, True, True),
        (Kind.DRIVER, True, False),
        (Kind.SCRIPT, False, False),
    ):
        script = make_script(id="s", name="s.js", kind=kind, text="// cxKV cxOriginate cxCallControl\n")
        modules = request_programs(Configuration(), GRANTS).of(script).modules.keys()
        assert (bool(modules), calls <= modules, bool(calls & modules)) == (has, has_calls, has_calls)


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
