"""What becomes of a connection that a Worker keeps between two messages, and one that a Driver opens."""

import json
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.processes import wait_until
from tests.sidecar.http.platform_desk import PlatformDesk

SETTINGS = """
[jobs]
poll_seconds = 0.05
[mailboxes]
poll_seconds = 0.05
[outgoing]
networks = ["127.0.0.1/32"]
worker_hosts = ["127.0.0.1"]
connection_idle_seconds = 2
"""
WORKER = """
import net from 'net';
import { ko } from 'cxKV';
let socket;
const said = [];
const ask = (text) => new Promise((resolve, reject) => {
  if (socket === undefined) {
    socket = net.connect(PORT, '127.0.0.1');
    socket.setEncoding('utf8');
    if (!UNHEARD) socket.on('error', ({ code }) => said.push(code));
    socket.on('close', () => { said.push('closed'); socket = undefined; });
  }
  socket.once('error', reject);
  socket.once('data', (data) => { socket.off('error', reject); resolve(data); });
  socket.write(text);
});
export async function main(message) {
  if (message.fails) throw new RangeError('as told');
  if (message.waits) await new Promise((resolve) => setTimeout(resolve, message.waits));
  said.push(await ask(message.text));
  await ko.set(message.text, said);
}
"""
DRIVER = """
const net = require('net');
module.exports.main = ({ text }) => new Promise((resolve, reject) => {
  net.connect(PORT, '127.0.0.1').setEncoding('utf8').on('error', reject).on('data', resolve).write(text);
});
"""


class Server(socketserver.ThreadingTCPServer):
    """Says to each what came, with the number of the connection before it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.opened = self.ended = 0


class Answers(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.opened += 1
        number = server.opened
        try:
            while data := self.request.recv(1_000):
                self.request.sendall(f"{number} ".encode() + data)
        finally:
            server.ended += 1


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    made = PlatformDesk(tmp_path_factory.mktemp("connections"), more=SETTINGS)
    yield made
    assert made.program.lines("Traceback") == []
    made.stop()


def send(desk: PlatformDesk, worker: str, **message: Any) -> None:
    answer = desk.acme.post(f"/api/v1/workers/{worker}/messages", json={"data": message})
    assert answer.status_code == 201, answer.text


def said(desk: PlatformDesk, text: str) -> Any:
    """What the Worker had heard when it was given this text."""

    def found() -> Any:
        answer = desk.acme.get(f"/api/v1/kv/keys/{text}")
        return json.loads(answer.json()["value"]) if answer.is_success else None

    wait_until(lambda: found() is not None, f"{text} was answered")
    return found()


def with_port(text: str, server: Server, unheard: bool = False) -> str:
    return text.replace("PORT", str(server.server_address[1])).replace("UNHEARD", "true" if unheard else "false")


def test_a_connection_is_open_from_one_message_to_the_next(desk: PlatformDesk, server: Server) -> None:
    desk.script("keeps", with_port(WORKER, server), kind="worker")
    send(desk, "keeps", text="a1")
    assert said(desk, "a1") == ["1 a1"]
    send(desk, "keeps", text="a2")
    assert said(desk, "a2") == ["1 a1", "1 a2"]
    assert (server.opened, server.ended) == (1, 0)


def test_a_worker_that_begins_anew_has_lost_its_connection(desk: PlatformDesk, server: Server) -> None:
    desk.script("fails", with_port(WORKER, server), kind="worker")
    send(desk, "fails", text="b1")
    assert said(desk, "b1") == ["1 b1"]
    send(desk, "fails", text="b2", fails=True)
    wait_until(lambda: server.ended == 1, "its connection has ended")
    (message, *_) = desk.acme.get("/api/v1/workers/fails/messages").json()["items"]
    assert desk.acme.delete(f"/api/v1/workers/fails/messages/{message['id']}").is_success
    send(desk, "fails", text="b3")
    assert said(desk, "b3") == ["2 b3"]


@pytest.mark.parametrize("unheard", [False, True])
def test_one_over_which_nothing_goes_is_ended(unheard: bool, desk: PlatformDesk, server: Server) -> None:
    name, first, second = f"idle{unheard}", f"c1{unheard}", f"c2{unheard}"
    desk.script(name, with_port(WORKER, server, unheard), kind="worker")
    send(desk, name, text=first)
    assert said(desk, first) == [f"1 {first}"]
    wait_until(lambda: server.ended == 1, "nothing went over it for so long")
    # What came of it is there when the next message is, before that is begun or soon after.
    send(desk, name, text=second, waits=100)
    # An error that nobody listens for ends what it comes in, as it ends Node: the Worker has begun anew.
    expected = [] if unheard else [f"1 {first}", "ETIMEDOUT", "closed"]
    assert said(desk, second) == [*expected, f"2 {second}"]


def test_a_drivers_ends_with_its_run(desk: PlatformDesk, server: Server) -> None:
    desk.script("driver", with_port(DRIVER, server), kind="driver")
    answer = desk.acme.post("/api/v1/scripts/driver/run/main", json={"text": "d"})
    assert answer.is_success, answer.text
    assert "1 d" in answer.text
    wait_until(lambda: server.ended == 1, "its connection has ended with it")
