"""Customers beside each other in one daemon: what one of them does, waits for or leaves behind is not the others'."""

import asyncio
from pathlib import Path

import pytest

from sipio.rpc.client import RpcClient
from tests.acceptance.serving import Serving, request
from tests.acceptance.traffic import traffic

ORDINARY = "function main(data) { data.headers.push({ key: 'X-A', value: 'ordinary' }); }"
COMPUTES_AND_WAITS = """async function main(data) {
  for (const end = Date.now() + 30; Date.now() < end;);
  await new Promise((resolve) => setTimeout(resolve, 300));
  data.headers.push({ key: 'X-A', value: 'waited' });
}"""
WAITS = """async function main(data) {
  await new Promise((resolve) => setTimeout(resolve, 300));
  data.headers.push({ key: 'X-A', value: 'waited' });
}"""
LOOPS = {
    "native": "function main() { new Array(2**32-1).sort(); }",
    "loop": "function main() { for (;;); }",
    "promises": "async function main() { for (;;) await null; }",
    "memory": "function main() { const a = []; for (;;) a.push(new Array(1e4).fill(7)); }",
}
APPS = ("waits", "computes", "promises")


def serving(directory: Path, scripts: dict[str, str], **environment: str) -> Serving:
    """A daemon in which each script has a customer of its name."""
    assignments = "".join(
        f'[[script]]\nfile = "{name}.js"\nkind = "app"\n' for name in scripts if name in APPS
    ) + "".join(f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\nerror_action = "500 Failed"\n' for name in scripts)
    return Serving(directory, scripts, assignments, environment=environment).ready()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_an_app_that_computes_and_waits_holds_no_place_while_it_waits(tmp_path: Path, workers: str) -> None:
    daemon = serving(tmp_path, {"computes": COMPUTES_AND_WAITS}, SCRIPTFORGE_SANDBOX__WORKERS=workers)
    try:
        client = await daemon.client()
        async with traffic(client, lambda n: request("computes", f"c{n}"), 10) as sent:
            await sent.until(lambda _: len(sent.answers) >= 60, 20)
        assert sent.outcomes == {"returned": len(sent.answers)}
        assert sent.median() < 1.0
        await client.close()
    finally:
        daemon.stop()


async def test_apps_that_wait_beside_scripts_that_loop(tmp_path: Path) -> None:
    polite = {"waits": WAITS, "computes": COMPUTES_AND_WAITS, "ordinary": ORDINARY}
    daemon = serving(tmp_path, polite | LOOPS)
    try:
        clients = [await daemon.client() for _ in range(len(polite) + 1)]
        bad = list(LOOPS)
        async with (
            traffic(clients[0], lambda n: request(bad[n % len(bad)], f"h{n}"), 5) as hostile,
            traffic(clients[1], lambda n: request("waits", f"w{n}"), 20) as waits,
            traffic(clients[2], lambda n: request("computes", f"c{n}"), 3) as computes,
            traffic(clients[3], lambda n: request("ordinary", f"o{n}"), 50) as ordinary,
        ):
            await hostile.until(lambda _: len(hostile.answers) >= 60, 60)
        for sent in (waits, computes, ordinary):
            assert sent.outcomes == {"returned": len(sent.answers)}
        assert set(hostile.outcomes) <= {"timed_out", "out_of_memory", "crashed"}
        for client in clients:
            await client.close()
    finally:
        daemon.stop()


async def test_two_thousand_requests_of_one_script_at_once_are_all_decided(tmp_path: Path) -> None:
    computes = "function main() { for (const end = Date.now() + 1; Date.now() < end;); }"
    daemon = serving(tmp_path, {"many": computes, "ordinary": ORDINARY}, SCRIPTFORGE_DECISIONS__TIMEOUT_MS="30000")
    try:
        client, other = await daemon.client(), await daemon.client()

        async def ask(one: RpcClient, customer: str, number: int) -> str:
            return str((await one.call("route", request(customer, f"{customer}{number}")))["outcome"])

        many = [asyncio.ensure_future(ask(client, "many", number)) for number in range(2_000)]
        await many[0]
        assert {await ask(other, "ordinary", number) for number in range(3)} == {"returned"}
        assert not all(one.done() for one in many), "it was not behind them"
        assert set(await asyncio.gather(*many)) == {"returned"}
        await client.close()
        await other.close()
    finally:
        daemon.stop()


GLOBALS = """
if (typeof runs === "undefined") runs = 0;
function main(data) {
  runs++;
  const seen = [runs, [].zz ?? 0, JSON.stringify({}), typeof Map.prototype.last].join(" ");
  Array.prototype.zz = 1;
  JSON.stringify = () => "changed";
  Map.prototype.last = () => 1;
  data.headers.push({ key: "X-Seen", value: seen });
}"""


async def test_no_run_sees_what_one_before_it_left(tmp_path: Path) -> None:
    assignments = '[[script]]\nfile = "app.js"\nkind = "app"\n' + "".join(
        f'[[route]]\ncustomer = "{script}{customer}"\nscript = "{script}"\n'
        for script in ("script", "app")
        for customer in "ab"
    )
    daemon = Serving(tmp_path, {"script": GLOBALS, "app": GLOBALS}, assignments).ready()
    try:
        client = await daemon.client()
        decisions = [
            await client.call("route", request(customer))
            for _ in range(3)
            for customer in ("scripta", "scriptb", "appa", "appb")
        ]
        seen = {value for decision in decisions for _, value in decision["headers"]["add"]}
        await client.close()
        assert seen == {"1 0 {} undefined"}
    finally:
        daemon.stop()
