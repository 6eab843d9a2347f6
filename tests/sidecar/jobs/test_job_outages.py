"""A job whose script asks for what does not answer: it is no fault of the script's."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import wait_until
from tests.database_servers import Server, valkey
from tests.shared_connection import new_prefix, shared_address
from tests.sidecar.http.platform_desk import PlatformDesk

KEEPS = "import { kv } from 'cxKV';\nexport const main = async () => { await kv.set('kept', '1'); return 'kept'; };\n"


@pytest.fixture
def server() -> Iterator[Server]:
    server = valkey()
    yield server
    server.close()


@pytest.fixture
def desk(server: Server, tmp_path: Path) -> Iterator[PlatformDesk]:
    shared = f'[shared]\nurl = "{shared_address(server)}"\nprefix = "{new_prefix()}"\n'
    made = PlatformDesk(tmp_path, more=f"[jobs]\npoll_seconds = 0.05\n{shared}")
    yield made
    made.stop()


def test_a_run_that_failed_by_an_outage_is_done_with_its_one_attempt_once_that_is_over(
    desk: PlatformDesk, server: Server
) -> None:
    path = f"/run/{desk.script('keeps', KEEPS, public=True)['uuid']}"
    os.kill(server.program.process.pid, signal.SIGSTOP)
    asked = desk.anybody.post(path, headers={"Prefer": "respond-async, attempts=1"})
    address = asked.headers["location"]
    wait_until(lambda: desk.anybody.get(address).json()["state"] == "delayed", "it is to be tried again")
    assert desk.anybody.get(address).json()["attempt"] == 0
    os.kill(server.program.process.pid, signal.SIGCONT)
    wait_until(lambda: bool(desk.log_lines("shared_found")), "it answers again")
    desk.acme.post(f"/api/v1/jobs/{address.rpartition('/')[2][:32]}/retry").raise_for_status()
    wait_until(lambda: desk.anybody.get(address).json()["state"] == "completed", "it is done")
    assert desk.anybody.get(f"{address}/result").text == "kept"
