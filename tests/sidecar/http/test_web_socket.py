"""Runs beside a web socket."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.acceptance.processes import wait_until
from tests.sidecar.http.platform_desk import SECONDS, PlatformDesk

DESK = """
import * as socket from 'cxWebSocket';
export async function main({ desk }) {
  await socket.send({ hello: desk });
  await socket.waitForClose();
  console.log('closed', desk);
}
export const onData = ({ desk, note }) => socket.send({ desk, note: note.toUpperCase() });
"""
OLDER = """
export async function main(_, ws) {
  ws.on('data', (data) => ws.send(typeof data === 'string' ? 'text ' + data : data));
  await new Promise((resolve) => ws.on('close', resolve));
}
"""
Open = Callable[..., ClientConnection]


@pytest.fixture
def opened(desk: PlatformDesk) -> Open:
    """Opens a web socket on a page."""

    def opened(page: str, token: str | None = None) -> ClientConnection:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        address = desk.url.replace("http", "ws", 1) + page
        return connect(address, additional_headers=headers, proxy=None, open_timeout=SECONDS, close_timeout=SECONDS)

    return opened


def page_of(desk: PlatformDesk, name: str, text: str, **more: Any) -> str:
    return f"/run/{desk.script(name, text, **{'public': True, **more})['uuid']}"


def written(desk: PlatformDesk, script: str) -> set[str]:
    found = desk.acme.get("/api/v1/log", params={"script": script}).json()["items"]
    return {one["text"] for one in found}


def test_frames_go_both_ways_in_one_run(desk: PlatformDesk, opened: Open) -> None:
    page = page_of(desk, "desk", DESK)
    with opened(f"{page}?desk=a") as one, opened(f"{page}?desk=b") as other:
        assert json.loads(one.recv(SECONDS)) == {"hello": "a"}
        assert json.loads(other.recv(SECONDS)) == {"hello": "b"}
        one.send(json.dumps({"desk": "a", "note": "hi"}))
        assert json.loads(one.recv(SECONDS)) == {"desk": "a", "note": "HI"}
        assert len(desk.acme.get("/api/v1/runs").json()) == 2
    wait_until(lambda: desk.acme.get("/api/v1/runs").json() == [], "both have ended")
    wait_until(lambda: {one["outcome"] for one in desk.log_lines("run")[-2:]} == {"returned"}, "both are logged")
    wait_until(lambda: {"closed a", "closed b"} <= written(desk, "desk"), "both have been told")


def test_what_it_writes_is_in_the_log_while_the_socket_is_open(desk: PlatformDesk, opened: Open) -> None:
    text = DESK.replace("await socket.waitForClose", "console.log('open'); await socket.waitForClose")
    page = page_of(desk, "writes", text)
    with opened(f"{page}?desk=a") as one:
        one.recv(SECONDS)
        wait_until(lambda: written(desk, "writes") == {"open"}, "the log has it")
    wait_until(lambda: written(desk, "writes") == {"open", "closed a"}, "the log has the rest")


def test_what_a_frame_breaks_is_in_the_log_and_the_socket_stays(desk: PlatformDesk, opened: Open) -> None:
    page = page_of(desk, "breaks", DESK)
    with opened(f"{page}?desk=a") as one:
        one.recv(SECONDS)
        one.send("plain text")
        one.send(json.dumps({"desk": "a", "note": "still here"}))
        assert json.loads(one.recv(SECONDS))["note"] == "STILL HERE"
    wait_until(lambda: any("TypeError" in line for line in written(desk, "breaks")), "the log has it")
    assert any("breaks.js:8:" in line for line in written(desk, "breaks"))


def test_the_older_form(desk: PlatformDesk, opened: Open) -> None:
    page = page_of(desk, "older", OLDER)
    with opened(page) as one:
        one.send("a")
        assert one.recv(SECONDS) == "text a"
        one.send('{"b": [1]}')
        assert json.loads(one.recv(SECONDS)) == {"b": [1]}
        one.send(b"bytes")
        assert one.recv(SECONDS) == "text bytes"


def test_many_frames_come_in_their_order(desk: PlatformDesk, opened: Open) -> None:
    page = page_of(desk, "order", OLDER)
    with opened(page) as one:
        for number in range(200):
            one.send(json.dumps([number]))
        assert [json.loads(one.recv(SECONDS)) for _ in range(200)] == [[number] for number in range(200)]


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("export async function main(_, ws) { await ws.send('bye') }", 1000, ""),
        ("export async function main(_, ws) { ws.send('bye'); throw new Error('403 Enough') }", 1011, "Enough"),
        ("export async function main(_, ws) { ws.send('bye'); await ws.close(); }", 1000, ""),
    ],
)
def test_the_socket_ends_with_the_run(desk: PlatformDesk, opened: Open, text: str, code: int, reason: str) -> None:
    page = page_of(desk, "ends", f"{text}\n")
    with opened(page) as one:
        assert one.recv(SECONDS) == "bye"
        with pytest.raises(ConnectionClosed) as closed:
            one.recv(SECONDS)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)


def test_who_may_not_is_refused_before_the_upgrade(desk: PlatformDesk, opened: Open) -> None:
    page = page_of(desk, "mine", DESK, public=False)
    for path, token, status in (
        (page, None, 401),
        (page, "sf_unknown", 401),
        (page, desk.token("acme", "read"), 403),
        (page, desk.token("beta"), 404),
        (f"{page}/none", desk.token("acme"), 404),
        ("/run/11111111-2222-3333-4444-555555555555", None, 401),
        ("/run/11111111-2222-3333-4444-555555555555", desk.token("acme"), 404),
    ):
        with pytest.raises(InvalidStatus) as refused:
            opened(path, token)
        assert refused.value.response.status_code == status, path
    with opened(f"{page}?desk=x", desk.token("acme", "run")) as one:
        assert json.loads(one.recv(SECONDS)) == {"hello": "x"}
    assert [line for line in desk.log_lines("log") if line["level"] == "error"] == []


def test_without_a_socket_the_module_says_so(desk: PlatformDesk) -> None:
    desk.script("desk", DESK)
    report = desk.acme.post("/api/v1/scripts/desk/run", json={"desk": "a"}).json()
    assert report["error"] == "Error: there is no web socket: the script was not asked over one"
    assert report["location"].startswith("desk.js:4:")


FOREVER = """
export async function main(_, ws) {
  await ws.send('here');
  await new Promise((resolve) => setTimeout(resolve, 1_000_000));
}
"""


def test_a_script_that_does_not_end_is_ended_after_its_peer(desk: PlatformDesk, opened: Open) -> None:
    page = page_of(desk, "forever", FOREVER)
    with opened(page) as one:
        assert one.recv(SECONDS) == "here"
    wait_until(lambda: desk.acme.get("/api/v1/runs").json() == [], "it has been ended", SECONDS)
    wait_until(lambda: desk.log_lines("run")[-1]["outcome"] == "cancelled", "its end is logged")


def test_a_socket_outlives_what_a_request_may_take_to_come(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, request_seconds=0.3)
    try:
        page = page_of(desk, "older", OLDER)
        with connect(desk.url.replace("http", "ws", 1) + page, proxy=None) as one:
            ended = time.monotonic() + 1.0
            while time.monotonic() < ended:
                one.send("a")
                assert one.recv(SECONDS) == "text a"
    finally:
        desk.stop()
