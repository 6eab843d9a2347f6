"""What is to be ended is ended by the platform that has it, whichever was asked."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sidecar.configuration.tree import JobsSection
from tests.acceptance.processes import wait_until
from tests.database_fixtures import DATABASES, servers
from tests.database_servers import Servers, new_database
from tests.sidecar.http.platform_desk import PlatformDesk

__all__ = ["servers"]

WAITS = """
export async function main() { await new Promise((resolve) => setTimeout(resolve, 20_000)) }
"""


@pytest.fixture(scope="module", params=DATABASES)
def desks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, servers: type[Servers]
) -> Iterator[tuple[PlatformDesk, PlatformDesk]]:
    """Two platforms on one database. The second one runs no jobs."""
    folder = tmp_path_factory.mktemp("one")
    desk = PlatformDesk(folder, None if request.param == "sqlite" else new_database(request.param))
    other = PlatformDesk(tmp_path_factory.mktemp("other"), desk.address, more="[jobs]\njob_workers = 0\n")
    desk.script("waits", WAITS, kind="app")
    yield desk, other
    desk.stop()
    other.stop()


def test_a_run_is_cancelled_by_the_platform_that_has_it(desks: tuple[PlatformDesk, PlatformDesk]) -> None:
    has, other = desks
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(has.acme.post("/api/v1/scripts/waits/run")))
    asking.start()
    wait_until(lambda: len(has.operator.get("/api/v1/runs", params={"tenant": "acme"}).json()) == 1, "it runs")
    run = has.operator.get("/api/v1/runs", params={"tenant": "acme"}).json()[0]["id"]
    assert other.acme.get("/api/v1/runs").json() == []
    assert other.beta.delete(f"/api/v1/runs/{run}").status_code == 404, "it is another tenant's"
    assert asking.is_alive()
    assert other.acme.delete(f"/api/v1/runs/{run}").status_code == 204
    asking.join(20)
    assert answers[0].json()["outcome"] == "cancelled"
    assert other.acme.delete(f"/api/v1/runs/{run}").status_code == 404, "it is over"


def test_whoever_asks_for_a_run_that_nobody_has_is_told_so(desks: tuple[PlatformDesk, PlatformDesk]) -> None:
    _, other = desks
    assert other.acme.delete("/api/v1/runs/none").status_code == 404
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda _: other.acme.delete(f"/api/v1/runs/{'0' * 32}").status_code, range(8))
        assert list(answers) == [404] * 8


def test_a_job_that_is_discarded_is_ended_where_it_runs(desks: tuple[PlatformDesk, PlatformDesk]) -> None:
    has, other = desks
    job = other.acme.post("/api/v1/jobs", json={"script": "waits"}).raise_for_status().json()["id"]
    wait_until(lambda: other.acme.get(f"/api/v1/jobs/{job}").json()["state"] == "active", "it runs")
    began = time.monotonic()
    assert other.acme.delete(f"/api/v1/jobs/{job}").status_code == 204
    has.program.wait_for('"action":"job_lost"', seconds=30)
    assert time.monotonic() - began < JobsSection().lease_seconds / 4, "long before its lease is renewed"
    assert has.log_lines("job_run")[-1]["outcome"] == "cancelled"
