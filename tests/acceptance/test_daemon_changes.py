"""A running daemon under load while its scripts change, its workers die, or it is told to stop. No call is lost."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost, RpcError
from tests.acceptance.processes import free_port, is_bound, wait_until
from tests.acceptance.serving import Serving, metrics, page, request
from tests.acceptance.traffic import Traffic, traffic

RATE = 200
SLOW = "const main = () => new Promise((done) => setTimeout(done, 1000))"
NEVER = "const main = () => new Promise((done) => setTimeout(done, 60000))"
APPS = """
[[script]]
file = "{name}.js"
kind = "app"
[[route]]
customer = "{name}"
script = "{name}"
timeout_ms = 30000
error_action = "500 Stopped"
"""
ORDINARY = '[[route]]\ncustomer = "ordinary"\nscript = "ordinary"\nerror_action = "500 Failed"\n'


def version(number: int) -> str:
    return f"function main(data) {{ data.routing.version = {number} }}"


@asynccontextmanager
async def connected(daemon: Serving) -> AsyncIterator[RpcClient]:
    client = await daemon.client()
    try:
        yield client
    finally:
        await client.close()


def versions(sent: Traffic) -> list[int]:
    assert set(sent.outcomes) <= {"returned"}
    return [answer.result["routing"]["version"] for answer in sorted(sent.answers, key=lambda answer: answer.asked)]


async def eventually(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition, "what is waited for")


def answered(count: int) -> Callable[[Traffic], bool]:
    return lambda sent: len(sent.answers) > count


def replaced(daemon: Serving, before: list[int]) -> Callable[[], bool]:
    return lambda: len(set(daemon.workers()) - set(before)) >= 2 and len(daemon.workers()) >= len(before)


async def test_reloads_under_load_lose_no_call(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    daemon = Serving(
        tmp_path,
        {"ordinary": version(1)},
        ORDINARY,
        environment={"SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{port}"},
    ).ready()
    try:
        async with connected(daemon) as client:
            async with traffic(client, lambda n: request("ordinary", f"c{n}"), RATE) as sent:

                async def decides(number: int) -> None:
                    begun = sent.asked
                    await sent.until(
                        lambda _: any(
                            answer.result["routing"]["version"] == number for answer in sent.answers[begun - 1 :]
                        )
                    )

                await decides(1)
                daemon.write("ordinary", version(2))
                await decides(2)
                daemon.write("ordinary", version(3))
                daemon.send(signal.SIGHUP)
                await decides(3)
                # A broken one is said in the log and in the metrics, and the former one goes on.
                position = daemon.program.position
                daemon.write("ordinary", "function main(data) {")
                refused = await asyncio.to_thread(daemon.program.wait_for, "catalog_broken", position)
                assert "ordinary.js:1:" in json.loads(refused)["problems"][0]
                position = daemon.program.position
                daemon.send(signal.SIGHUP)
                await asyncio.to_thread(daemon.program.wait_for, "catalog_broken", position)
                daemon.assign(ORDINARY + '[[route]]\ncustomer = "x"\nscript = "nowhere"\n')
                await asyncio.to_thread(daemon.program.wait_for, "nowhere", position)
                await eventually(lambda: metrics(port)["scriptforge_catalog_reload_success",] == 0)
                assert (await asyncio.to_thread(metrics, port))["scriptforge_catalog_problems",] == 2
                await decides(3)
                daemon.assign(ORDINARY)
                daemon.write("ordinary", version(4))
                await decides(4)
                await eventually(lambda: metrics(port)["scriptforge_catalog_reload_success",] == 1)
            # Each by the old or by the new one, and the old one no more after the new.
            told = versions(sent)
            assert set(told) == {1, 2, 3, 4}
            assert sum(later < earlier for earlier, later in pairwise(told)) == 0
            assert len(sent.answers) == sent.asked
    finally:
        daemon.stop()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP], ids=lambda number: number.name)
async def test_workers_that_die_under_load_cost_no_call(tmp_path: Path, number: signal.Signals) -> None:
    daemon = Serving(
        tmp_path, {"ordinary": version(1)}, ORDINARY, environment={"SCRIPTFORGE_SANDBOX__WORKERS": "2"}
    ).ready()
    try:
        async with connected(daemon) as client:
            async with traffic(client, lambda n: request("ordinary", f"c{n}"), RATE) as sent:
                for _ in range(3):
                    before = daemon.workers()
                    enough = len(sent.answers) + RATE // 4
                    for worker in before[:2]:
                        os.kill(worker, number)
                    await sent.until(answered(enough))
                    if number is not signal.SIGSTOP:
                        await eventually(replaced(daemon, before))
            # A worker that dies in a run costs that run its outcome; a stopped one costs at most what it was in.
            outcomes = sent.outcomes
            assert set(outcomes) <= {"returned", "crashed", "timed_out"}
            assert outcomes["crashed"] + outcomes["timed_out"] <= 6
            assert outcomes["returned"] > RATE // 2
            stats = await client.call("stats")
            assert stats["pending"] == 0
    finally:
        daemon.stop()


async def test_what_workers_are_forked_from_may_be_killed_under_load(tmp_path: Path) -> None:
    daemon = Serving(
        tmp_path, {"ordinary": version(1)}, ORDINARY, environment={"SCRIPTFORGE_SANDBOX__WORKERS": "2"}
    ).ready()
    try:
        async with connected(daemon) as client:
            async with traffic(client, lambda n: request("ordinary", f"c{n}"), RATE) as sent:
                for _ in range(5):
                    workers = set(daemon.workers())
                    [parent] = set(daemon.children()) - workers
                    enough = len(sent.answers) + RATE // 4
                    os.kill(parent, signal.SIGKILL)
                    await sent.until(answered(enough))
                    assert set(daemon.workers()) == workers, "it takes none of them along"
                    await eventually(lambda workers=workers: len(set(daemon.children()) - workers) == 1)  # type: ignore[misc]
            assert set(sent.outcomes) == {"returned"}
            assert len(sent.answers) == sent.asked
        assert len(daemon.records("worker_parent_died")) == 5
    finally:
        daemon.stop()


async def test_sigterm_under_load(tmp_path: Path) -> None:
    scripts = {"ordinary": version(1), "slow": SLOW}
    daemon = Serving(tmp_path, scripts, ORDINARY + APPS.format(name="slow")).ready()
    try:
        async with connected(daemon) as client, connected(daemon) as second:
            slow = Traffic()
            for number in range(20):
                slow.ask(second, request("slow", f"s{number}"))
            while (await client.call("stats"))["pending"] < 20:
                pass
            async with traffic(client, lambda n: request("ordinary", f"c{n}"), RATE) as sent:
                await sent.until(lambda _: len(sent.answers) > 20)
                daemon.send(signal.SIGTERM)
                await sent.until(lambda _: sent.outcomes["shutting_down"] >= 1)
                with pytest.raises(ConnectionLost):
                    await daemon.client()
                await slow.all_answered()
                await asyncio.wait([client.ended])
            assert slow.outcomes == {"returned": 20}
            assert set(sent.outcomes) <= {"returned", "shutting_down", "ConnectionLost"}
            # Whatever had been accepted was answered: only what came after the refusals had begun met the end.
            kinds = [answer.what for answer in sorted(sent.answers, key=lambda answer: answer.asked)]
            first = kinds.index("shutting_down")
            assert set(kinds[:first]) == {"returned"}
            assert "returned" not in kinds[first:]
            assert "shutting_down" not in kinds[kinds.index("ConnectionLost") :] if "ConnectionLost" in kinds else True
        assert daemon.program.finish(5.0) == 0
        assert not daemon.socket.exists()
    except BaseException:
        daemon.program.stop()
        raise


async def test_a_run_without_end_gets_its_failure_action_at_the_end_of_the_drain(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    daemon = Serving(
        tmp_path,
        {"never": NEVER, "endless": "function main() { for (;;); }"},
        APPS.format(name="never")
        + '[[route]]\ncustomer = "endless"\nscript = "endless"\ntimeout_ms = 30000\nerror_action = "continue"\n',
        "[shutdown]\ndrain_seconds = 0.4\n[sandbox]\ncpu_ms = 30_000\n[decisions]\ntotal_timeout_ms = 30_000\n",
        {"SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{port}"},
    ).ready()
    try:
        async with connected(daemon) as client, connected(daemon) as second:
            waiting = [
                asyncio.ensure_future(client.call("route", request(customer, f"{customer}{number}")))
                for customer in ("never", "endless")
                for number in range(3)
            ]
            while (await second.call("stats"))["pending"] < 6:
                pass
            daemon.send(signal.SIGTERM)
            await asyncio.to_thread(daemon.program.wait_for, "shutdown_began")
            status, health = await asyncio.to_thread(page, port, "/health")
            assert (status, json.loads(health)["state"]) == (503, "stopping")
            async with asyncio.timeout(10):
                decisions = await asyncio.gather(*waiting)
            assert [(d["action"], d["code"], d["outcome"]) for d in decisions] == [("reject", 500, "refused")] * 3 + [
                ("route", 0, "refused")
            ] * 3
        assert daemon.program.finish(10.0) == 0
        assert len(daemon.records()) == 6
    finally:
        daemon.program.stop()


async def test_a_second_sigterm_ends_the_drain_at_once(tmp_path: Path) -> None:
    daemon = Serving(
        tmp_path,
        {"never": NEVER},
        APPS.format(name="never"),
        "[shutdown]\ndrain_seconds = 300\n[decisions]\ntotal_timeout_ms = 300_000\n",
    ).ready()
    try:
        async with connected(daemon) as client, connected(daemon) as second:
            waiting = asyncio.ensure_future(client.call("route", request("never")))
            while (await second.call("stats"))["pending"] == 0:
                pass
            daemon.send(signal.SIGTERM)
            await asyncio.to_thread(daemon.program.wait_for, "accepting_stopped")
            with pytest.raises(RpcError) as refused:
                await second.call("route", request("never"))
            assert refused.value.code == "shutting_down"
            daemon.send(signal.SIGTERM)
            async with asyncio.timeout(60):
                assert (await waiting)["code"] == 500
        assert daemon.program.finish(5.0) == 0
    finally:
        daemon.program.stop()


def test_sigkill_leaves_no_worker_and_its_socket_file_is_no_obstacle(tmp_path: Path) -> None:
    daemon = Serving(tmp_path, {"endless": "function main() { for (;;); }"}).ready()
    try:
        assert len(daemon.workers()) == 3
        workers = daemon.children()
        assert len(workers) == 4, "and what they are forked from"
        daemon.send(signal.SIGKILL)
        assert daemon.program.finish(5.0) == -signal.SIGKILL
    finally:
        daemon.program.stop()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "workers gone")
    assert daemon.socket.is_socket()
    again = Serving(tmp_path, {"endless": "function main() { for (;;); }"})
    try:
        again.ready()
        # A third one finds the socket in use, says so, and leaves it to its owner.
        third = Serving(tmp_path, {})
        try:
            assert third.program.finish(10.0) == 1
        finally:
            third.program.stop()
        assert third.program.lines("another process listens there")
        assert again.socket.is_socket()
        assert again.program.process.poll() is None
        assert not is_bound("127.0.0.1", 9464, "tcp")
    finally:
        again.stop()


async def test_a_run_whose_worker_crashes_and_a_run_too_many(tmp_path: Path) -> None:
    daemon = Serving(
        tmp_path,
        {"endless": "function main() { for (;;); }", "ordinary": version(1)},
        ORDINARY
        + '[[route]]\ncustomer = "endless"\nscript = "endless"\ntimeout_ms = 30000\nerror_action = "500 Failed"\n',
        "[sandbox]\ncpu_ms = 30_000\nqueue_bytes = 1_000_000\n[decisions]\ntotal_timeout_ms = 30_000\n",
    ).ready()
    try:
        async with connected(daemon) as client:
            waiting = asyncio.ensure_future(client.call("route", request("endless", "first")))
            while (await client.call("stats"))["pending"] == 0:
                pass
            large = request("endless", "second")
            large["routing"]["note"] = "x" * 600_000
            refused = await client.call("route", large)
            assert (refused["outcome"], refused["code"]) == ("refused", 500)
            assert (await client.call("route", request("ordinary")))["outcome"] == "returned"
            before = {worker: processor_ticks(worker) for worker in daemon.workers()}

            def busy() -> list[int]:
                return [worker for worker, ticks in before.items() if processor_ticks(worker) - ticks >= 10]

            await eventually(lambda: bool(busy()))
            os.kill(busy()[0], signal.SIGSEGV)
            async with asyncio.timeout(10):
                crashed = await waiting
            assert (crashed["outcome"], crashed["action"], crashed["code"]) == ("crashed", "reject", 500)
        assert daemon.record("first")["error"] == "SIGSEGV"
        assert daemon.record("second")["outcome"] == "refused"
        assert daemon.records("worker_died")[0]["cause"] == "SIGSEGV"
    finally:
        daemon.stop()


def processor_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])
