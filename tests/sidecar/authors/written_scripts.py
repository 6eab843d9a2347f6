"""The scripts of scripts.md, and a switch in this process that asks for their decisions."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final

from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Assignment, Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.hosts.grants import shipped_grants, shipped_names
from sidecar.hosts.services import Services
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.runs.runner import ScriptRunner
from sidecar.sip_answer import SipAnswer
from sipio.routing import RoutingRequest, pack_routing

SCRIPTS: Final[dict[str, str]] = dict(
    re.findall(
        r"^```(?:js|ts) (\S+)\n(.*?)^```$", Path(__file__).with_name("scripts.md").read_text(), re.MULTILINE | re.DOTALL
    )
)
ERROR_ACTION: Final = SipAnswer(500, "Script Error")
TIMEOUT_ACTION: Final = SipAnswer(504, "Script Timeout")


class Switch:
    """Asks for decisions of one script, as its customer's."""

    def __init__(self, pool: ScriptRunner, services: Services, name: str, **more: Any) -> None:
        """``more``: the assignment's ``variables`` and ``timeout_ms``, the script's ``environment`` and ``tenant``."""
        text = SCRIPTS[name]
        assert check_script(text, Kind.APP, name, modules=shipped_names()) == ()
        assignment = Assignment(
            script_id="own",
            timeout_ms=more.pop("timeout_ms", 2_000),
            timeout_action=TIMEOUT_ACTION,
            error_action=ERROR_ACTION,
            variables=more.pop("variables", {}),
        )
        script = make_script(id="own", name=name, kind=Kind.APP, text=text, **more)
        snapshot = Snapshot(scripts={"own": script}, routes={("acme", "uk"): assignment}, dids={})
        self._told: list[asyncio.Future[Decided]] = []
        self._decisions = Decisions(
            pool,
            Configuration(),
            snapshot,
            lambda decided: self._told.pop(0).set_result(decided),
            shipped_grants(services),
        )

    async def call(self, **routing: Any) -> Decided:
        """One call, decided; one after the other."""
        told: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()
        self._told.append(told)
        routing = {"cli": "4930123", "dest_number": "491", "account_id": 1207, "egress_routing": []} | routing
        request = RoutingRequest(call_id="c", customer="acme", route="uk", routing=pack_routing(routing))
        self._decisions.route(request, lambda _decision: None)
        return await told

    async def answer(self, **routing: Any) -> str:
        """What the switch is told: ``route``, or the status and its reason."""
        decision = (await self.call(**routing)).decision
        return f"{decision.code} {decision.reason}" if decision.code else str(decision.action)
