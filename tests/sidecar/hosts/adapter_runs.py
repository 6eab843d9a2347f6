"""Runs of a script under the adapter of Class 4, in this process."""

import json
from typing import Any

from sandbox.engine import Context, LoadedProgram
from sandbox.program import Program
from sandbox.status import Tag
from sidecar import hosts
from tests.sandbox.support import packed, unpacked

INPUT: dict[str, Any] = {
    "routing": {
        "account_id": 7,
        "cli": "100",
        "dest_number": "200",
        "egress_routing": [
            {
                "name": "a",
                "cost": 3,
                "headers": [{"key": "X-A", "value": 1}],
                "gw": {"1": {"cli": "100"}, "2": {"cli": "300"}},
            },
            {"name": "b", "cost": 1, "gw": {"3": {"cli": "100"}}},
            {"name": "c", "cost": 2, "gw": {"4": {"host": "no cli"}, "5": None}},
        ],
    },
    "headers": [{"key": "X-Given", "value": "0"}],
    "remove_headers": [],
    "vars": {"schedule": {"week": [1, 2]}, "cli": {"range": [5]}, "__proto__x": 1},
}


NEW = '[{ key: "X-New", value: 1 }]'


ADDED = [{"key": "X-New", "value": 1}]


GIVEN = INPUT["headers"]


def run(text: str, suspends: bool = False, data: dict[str, Any] | None = None) -> tuple[str, Any]:
    """The status's tag and its JSON."""
    context = Context(suspends)
    program = Program(key="k", name="a.js", suspends=suspends, text=text, adapter=hosts.source("routing"))
    assert isinstance(context.load(program), LoadedProgram)
    context.limit_time(2.0)
    status = context.start(packed(INPUT if data is None else data), "", 0.0)
    while status.tag is Tag.WAITING and context.run_jobs(64):
        pass
    status = context.poll(True) if status.tag is Tag.WAITING else status
    read = unpacked if status.tag is Tag.RETURNED else json.loads
    return status.tag, read(status.payload) if status.payload else None


def decided(body: str, **more: Any) -> Any:
    tag, result = run(f"function main(data) {{ {body} }}", **more)
    assert tag == "R", result
    return result


def names(result: Any) -> list[str]:
    return [destination["name"] for destination in result["routing"]["egress_routing"]]
