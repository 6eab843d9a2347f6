"""Every script that was seen to crash or hang the engine or the daemon, beside customers who are none the wiser."""

import asyncio
import socket
from pathlib import Path

from tests.acceptance.processes import free_port, wait_until
from tests.acceptance.serving import Serving, metrics, page, request
from tests.acceptance.traffic import traffic

RATE = 100
HOSTILE_RATE = 5
TIMEOUT_MS = 200
BODIES = [
    "new Array(2**32-1).sort()",
    "Array.prototype.reverse.call({length:2**53-2})",
    "Array.prototype.join.call({length:2**31},'')",
    "String.raw({raw:{length:2**53-1}})",
    "'a'.repeat(4e6).indexOf('a'.repeat(2e6)+'b')",
    "Object.keys(new Proxy({}, {ownKeys() { return Array.from({length:1e6}, (_, i) => 'k' + i); }}))",
    "const a = []; a[1e9] = 1; a.reverse()",
    "new Function(Array.from({length:60000}, (_, i) => 'let v' + i).join(';'))",
    "const o={};for(let i=0;;i++)o['k'+i]=i",
    "throw {toString(){for(;;);}, toJSON(){for(;;);}}",
    "try { InternalError.prototype.toString = () => { for(;;); } } catch { } for(;;);",
    "return {toJSON(){for(;;);}}",
    "Object.defineProperty(globalThis, 'load', {get(){for(;;);}}); for (;;);",
    "return 3n**600000n",
    "/^(a+)+$/.exec('a'.repeat(40) + 'b')",
    "const f = () => f(); f()",
    "const a = []; for(;;) a.push(new Array(1e4).fill(7))",
    "data.routing.x = 'x'.repeat(5e7)",
    "data.routing.x = 'x'.repeat(990000)",
    "data.routing.x = Array(450000).fill(0)",
    "for (let i = 0; i < 20000; i++) console.log('')",
    "throw new Error('x'.repeat(1e6))",
    "throw [404, 'x'.repeat(1e6)]",
    "data.routing.egress_routing = Array(500).fill({headers: Array(100).fill({key: 'X-A', value: 1})})",
    "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; data.routing.x = a",
    "data.routing.egress_routing = data; data.routing.x = data.routing",
]
"""The first of them are those of the engine; the last are for the daemon, which has to look at what a script leaves."""
APPS = [
    "async function main() { for(;;) await null; }",
    "const main = () => new Promise(() => { for (;;) setTimeout(() => {}, 1); })",
    "const main = () => ({ then() { for(;;); } })",
    "async function main() { for await (const x of (async function* () { for(;;) yield 1; })()); }",
]
OUTCOMES = {"returned", "script_error", "sip_error", "timed_out", "out_of_memory", "crashed", "refused"}


def _catalog() -> tuple[dict[str, str], str]:
    scripts = {"ordinary": "function main(data) { data.headers.push({ key: 'X-A', value: data.routing.cli }) }"}
    scripts |= {f"script{n}": f"function main(data) {{ {body}; }}" for n, body in enumerate(BODIES)}
    scripts |= {f"app{n}": text for n, text in enumerate(APPS)}
    assignments = "".join(
        f'[[script]]\nfile = "{name}.js"\nkind = "app"\n' for name in scripts if name.startswith("app")
    )
    for name in scripts:
        limit = 2_000 if name == "ordinary" else TIMEOUT_MS
        assignments += (
            f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\ntimeout_ms = {limit}\nerror_action = "500 Failed"\n'
        )
    return scripts, assignments


async def test_hostile_scripts_beside_other_customers(tmp_path: Path) -> None:
    scripts, assignments = _catalog()
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    daemon = Serving(
        tmp_path,
        scripts,
        assignments,
        environment={"SCRIPTFORGE_SANDBOX__WORKERS": "2", "SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{port}"},
    ).ready()
    hostile = [name for name in scripts if name != "ordinary"]
    try:
        client, other = await daemon.client(), await daemon.client()
        async with traffic(client, lambda n: request("ordinary", f"o{n}"), RATE) as alone:
            await alone.until(lambda _: len(alone.answers) >= RATE)
        async with (
            traffic(client, lambda n: request("ordinary", f"p{n}"), RATE) as sent,
            traffic(other, lambda n: request(hostile[n % len(hostile)], f"h{n}"), HOSTILE_RATE) as bad,
        ):
            await bad.until(lambda _: len(bad.answers) >= len(hostile) + 5)
            assert (await asyncio.to_thread(page, port, "/health"))[0] == 200
        assert sent.outcomes == {"returned": len(sent.answers)}
        assert set(bad.outcomes) <= OUTCOMES
        assert bad.outcomes["timed_out"] >= 10
        assert all(answer.result["action"] == "reject" for answer in bad.answers if answer.what != "returned")
        # Generously, since the machine may be busy: what is looked for is a queue behind the hostile.
        assert sent.median() < TIMEOUT_MS / 1000

        def recovered() -> bool:
            found = metrics(port)
            workers = {key[2]: count for key, count in found.items() if key[:2] == ("scriptforge_workers", "decisions")}
            return (workers["fast"], workers["slow"], workers["spare"], workers["held"]) == (2, 1, 1, 0)

        await asyncio.to_thread(wait_until, recovered, "all workers back")
        after = await asyncio.to_thread(metrics, port)
        assert after["scriptforge_queue_depth", "decisions"] == 0
        for outcome, count in bad.outcomes.items():
            told = sum(after.get(("scriptforge_decisions_total", action, outcome), 0) for action in ("route", "reject"))
            assert told == count + (len(alone.answers) + len(sent.answers) if outcome == "returned" else 0)
        async with traffic(client, lambda n: request("ordinary", f"q{n}"), RATE) as again:
            await again.until(lambda _: len(again.answers) >= RATE)
        assert again.outcomes == {"returned": len(again.answers)}
        # One record each, whatever became of it.
        asked = sum(each.asked for each in (alone, sent, bad, again))
        await asyncio.to_thread(wait_until, lambda: len(daemon.records()) >= asked, "records")
        assert len({record["call_id"] for record in daemon.records()}) == len(daemon.records())
        died = daemon.records("worker_died")
        assert died
        assert all(line["cause"] and line["lane"] for line in died)
        assert not daemon.program.lines("Traceback")
        await client.close()
        await other.close()
    finally:
        daemon.stop()
