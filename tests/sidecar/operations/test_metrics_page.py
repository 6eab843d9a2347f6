"""The metrics page: exact answers from its core, its caps over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.errors import ConfigurationError
from sidecar.lifecycle import PartState
from sidecar.operations import metrics_page
from sidecar.operations.metrics import registry
from sidecar.operations.metrics_page import (
    CONNECTIONS,
    REQUEST_BYTES,
    Health,
    MetricsPage,
    MetricsServer,
    health_of,
)
from sidecar.operations.part_metrics import PoolMetrics
from sipio.host_port import HostPort

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain"
healthy = Health(healthy=True, state="running", details={"workers": 2})


class Counted(Collector):
    """A family that counts how often it is asked for, and fails where it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken = False

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        if self.broken:
            raise ValueError("a bug")
        yield GaugeMetricFamily("scriptforge_asked", "How often.", self.asked)


def page(health: Health = healthy, *collectors: Collector) -> MetricsPage:
    return MetricsPage(registry(*collectors), lambda: health)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, int]]:
    running = MetricsServer(page(), HostPort("127.0.0.1", 0))
    await running.start()
    yield running.bound
    await running.close()


def test_metrics() -> None:
    head, body = page(healthy, PoolMetrics(dict, dict)).respond(GET, 0.0).split(b"\r\n\r\n", 1)
    assert head == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        b"Content-Length: %d\r\nConnection: close" % len(body)
    )
    assert b"\nscriptforge_confined 0.0\n" in body


@pytest.mark.parametrize(("alive", "code"), [(True, 200), (False, 503)])
def test_health(alive: bool, code: int) -> None:
    health = Health(healthy=alive, state="draining", details={"in_flight": 3})
    answer = page(health).respond(b"GET /health HTTP/1.1", 0.0)
    assert status(answer) == code
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1]) == {
        "healthy": alive,
        "state": "draining",
        "details": {"in_flight": 3},
    }


def test_a_part_that_cannot_work_is_named() -> None:
    decisions = PartState(details={"workers": 2})
    calls = PartState(fault="no worker for calls", details={"calls": 7})
    assert health_of([decisions, PartState(addresses=["unix:/x"])]) == Health(
        healthy=True, state="serving", details={"workers": 2}
    )
    assert health_of([decisions, calls]) == Health(
        healthy=False, state="no worker for calls", details={"workers": 2, "calls": 7}
    )


async def test_without_an_address_there_is_no_page() -> None:
    server = MetricsServer(page(), None)
    await server.start()
    with pytest.raises(ConfigurationError):
        _ = server.bound
    await server.close()


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"GET /metrics?name=x HTTP/1.0", 200),
        (b"GET / HTTP/1.1", 404),
        (b"GET /metrics/../health HTTP/1.1", 404),
        (b"POST /metrics HTTP/1.1", 405),
        (b"GET /metrics", 400),
        (b"", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"GET /metrics HTTP/2.0", 400),
    ],
)
def test_other_requests(head: bytes, code: int) -> None:
    assert status(page().respond(head, 0.0)) == code


@given(head=st.binary(max_size=200))
def test_any_bytes_have_an_answer(head: bytes) -> None:
    assert status(page().respond(head, 0.0)) in (200, 400, 404, 405)


def test_a_page_is_rendered_once_a_second() -> None:
    counted = Counted()
    served = page(healthy, counted)
    before = counted.asked  # to be registered
    for now in (10.0, 10.5, 10.99, 11.0):
        served.respond(GET, now)
    assert counted.asked == before + 2


def test_a_source_that_fails_is_a_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    source = Counted()
    served = page(healthy, source)
    source.broken = True
    assert status(served.respond(GET, 0.0)) == 500
    assert "metrics_failed" in caplog.text
    source.broken = False
    assert status(served.respond(GET, 0.0)) == 200


async def exchange(address: tuple[str, int], *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_a_scrape_over_a_socket(server: tuple[str, int]) -> None:
    answer = await exchange(server, GET[:20], GET[20:] + b"\r\n", b"\r\n")
    assert status(answer) == 200
    assert answer.endswith(b"\n")


def test_a_scrape_under_uvloop() -> None:
    async def scrape() -> tuple[bytes, bytes]:
        running = MetricsServer(page(), HostPort("127.0.0.1", 0))
        await running.start()
        address = running.bound
        good = await exchange(address, GET + b"\r\n\r\n")
        bad = await exchange(address, b"x" * (REQUEST_BYTES + 1))
        await running.close()
        return good, bad

    good, bad = uvloop.run(scrape())
    assert (status(good), status(bad)) == (200, 431)


async def test_a_head_without_end_is_refused(server: tuple[str, int]) -> None:
    answer = await exchange(server, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * REQUEST_BYTES)
    assert status(answer) == 431


async def test_a_silent_peer_is_closed(monkeypatch: pytest.MonkeyPatch, server: tuple[str, int]) -> None:
    monkeypatch.setattr(metrics_page, "CONNECTION_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(*server)
    writer.write(b"GET /met")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_one_connection_too_many_is_closed(server: tuple[str, int]) -> None:
    opened = [await asyncio.open_connection(*server) for _ in range(CONNECTIONS)]
    reader, writer = await asyncio.open_connection(*server)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    first_reader, first_writer = opened[0]
    first_writer.write(GET + b"\r\n\r\n")
    assert status(await asyncio.wait_for(first_reader.read(), 5)) == 200
    for _, other in opened:
        other.close()
    for _ in range(100):  # until the server has seen the others close
        answer = await exchange(server, GET + b"\r\n\r\n")
        if answer:
            break
    assert status(answer) == 200


async def test_an_address_in_use_is_the_operators_error(server: tuple[str, int]) -> None:
    with pytest.raises(
        ConfigurationError, match=r"metrics\.listen: cannot listen on 127\.0\.0\.1:\d+: Address already in use$"
    ):
        await MetricsServer(page(), HostPort("127.0.0.1", server[1])).start()
