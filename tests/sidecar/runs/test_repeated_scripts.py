"""Every script of the examples, the documents and the acceptance tests goes the same way twice, whichever it is for."""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from sandbox import values
from sandbox.host import HostCall
from sandbox.outcome import Completion, Returned, TimedOut
from sandbox.pool import Pool, PoolSettings
from sandbox.program import Invocation, Limits
from sandbox.recording import Recording
from sandbox.repetition import divergence, repeating
from sidecar.calls import script_run
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import VoiceAssignment
from sidecar.configuration.tree import Configuration
from sidecar.hosts.grants import Grants, shipped_grants, shipped_names
from sidecar.kind import RULES, Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.assumed_kind import assumed_kind, drives_calls
from sidecar.language.prepared import prepare
from sidecar.runs.programs import call_programs, decision_programs
from sipio.call_control import CallOffer
from tests.sandbox.support import Asked, running_pool, submit

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```js(?!on)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _scripts() -> dict[str, str]:
    files = [*(ROOT / "examples" / "scripts").glob("*.js"), *(ROOT / "tests" / "acceptance" / "scripts").glob("*.js")]
    found = {f"{file.parent.parent.name}/{file.name}": file.read_text(encoding="utf-8") for file in files}
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for number, text in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            found[f"{page.name} {number}"] = text
    found[COUNTING] = (ROOT / "examples" / COUNTING).read_text(encoding="utf-8")
    return dict(sorted(found.items()))


COUNTING = "counting/calls.js"
SCRIPTS = _scripts()
FILES = {COUNTING: {"counting/count.ts": (ROOT / "examples" / "counting" / "count.ts").read_text(encoding="utf-8")}}
"""What a script imports."""
ROUTING: dict[str, Any] = {
    "cli": "442079460123",
    "dest_number": "493099950007",
    "account_id": 1207,
    "egress_routing": [
        {"gw": {name: {"cli": "442079460123", "rate": rate}}, "headers": [], "remove_headers": []}
        for name, rate in (("london", 0.012), ("frankfurt", 0.0095), ("madrid", 0.02))
    ],
}
VARIABLES = {
    "schedule": {"first_hour": 8, "open": "08:00", "close": "18:00"},
    "tariff": {"name": "gold", "highest_rate": 0.015},
    "blocked": {"numbers": ["49"]},
}


PATIENT = PoolSettings(workers=1, slow_workers=1, stall_seconds=30.0)
"""Those that loop delay the others, and cost none of them its worker."""
LIMITS = Limits(wall_seconds=3.0, cpu_seconds=0.2)


def invocation(name: str, text: str) -> Invocation:
    kind, _ = assumed_kind(text)
    prepared = prepare(text, kind, AppFiles(name, FILES.get(name, {})))
    script = make_script(id=name, name=name, kind=kind, text=text, prepared=prepared)
    if kind is Kind.APP and drives_calls(text):
        program = call_programs(Configuration(), Grants()).of(script)
        offer = CallOffer(id="c1", driver="sip", from_user="442079460123", to_user="100", headers=[("X-Team", "blue")])
        assigned = VoiceAssignment(script_id=name, customer="acme", variables=VARIABLES)
        asked = script_run.invocation(program, RULES[kind].entry, offer, assigned, Configuration())
        return structs.replace(asked, limits=LIMITS, recorded=True)
    sip = {"method": "INVITE", "uri": "sip:1@x", "source": "192.0.2.2:5060", "headers": [["X-A", "b"]]}
    given = {"routing": ROUTING, "headers": [], "remove_headers": [], "vars": VARIABLES, "sip": sip}
    program = decision_programs(Configuration(), shipped_grants() if name in FILES else Grants()).of(script)
    return Invocation(program=program, input=values.encode(given), limits=LIMITS, recorded=True)


def _on_a_call(call: HostCall) -> None:
    """What a call answers whose caller presses 1 and hangs up after a while."""
    if call.name == "hangup":
        asyncio.get_running_loop().call_later(0.05, call.resolve, {"by": "caller", "cause": 16})
    elif call.name == "perform" and call.arguments[0] == "ivr":
        asyncio.get_running_loop().call_later(0.002, call.resolve, "1")
    elif call.name == "perform" and call.arguments[0] == "hangup":
        call.reject("the call has ended", "HangupError")
    elif call.name == "perform":
        asyncio.get_running_loop().call_later(0.004, call.resolve, {"status": "busy", "code": 486})
    elif call.name == "digits":
        asyncio.get_running_loop().call_later(0.01, call.resolve, "1")
    elif call.name == "cxKV.incr":
        asyncio.get_running_loop().call_later(0.004, call.resolve, 7)
    else:
        call.resolve()


async def run(pool: Pool, asked: Invocation) -> Completion:
    async with asyncio.timeout(40):
        return await submit(pool, asked, host=Asked(_on_a_call))[1]


async def test_each_goes_the_same_way_twice() -> None:
    asked = {name: invocation(name, text) for name, text in SCRIPTS.items()}
    assert len(asked) > 35
    async with running_pool(PATIENT) as pool, running_pool(PATIENT) as other:
        # One after the other, since each has its time from when it is asked for.
        before = {name: await run(pool, each) for name, each in asked.items()}
        ended = list(before.values())
        alone = [name for name, text in SCRIPTS.items() if not any(module in text for module in shipped_names())]
        assert sum(isinstance(before[name].outcome, Returned) for name in alone) > len(alone) * 0.6, before
        assert sum(len(_recording(completion).turns) > 2 for completion in ended) >= 5
        for where in (other, pool):
            again = await asyncio.gather(
                *(run(where, repeating(_patient(each), _recording(before[name]))) for name, each in asked.items())
            )
            for name, after in zip(asked, again, strict=True):
                assert divergence(before[name], after) is None, (name, before[name], after)
                if not isinstance(before[name].outcome, TimedOut):
                    assert after.outcome == before[name].outcome, name
                    assert after.recording == before[name].recording, name
                assert after.log == before[name].log, name
    counted = before[COUNTING].outcome
    assert isinstance(counted, Returned), counted
    assert msgspec.msgpack.decode(counted.value)["headers"][0] == [{"key": "X-Calls", "value": "7"}]


def _patient(asked: Invocation) -> Invocation:
    return structs.replace(asked, limits=structs.replace(asked.limits, wall_seconds=30.0))


def _recording(completion: Completion) -> Recording:
    assert isinstance(completion.recording, Recording), completion
    return completion.recording
