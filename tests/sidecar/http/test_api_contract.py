"""Every route by its contract: whatever is asked, allowed by the description or not, the answer is one that it has."""

from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from sidecar.http.app import make_api
from tests.sidecar.http.platform_desk import PlatformDesk

EXAMPLES: Final = 12
"""Of each route and mode. What was found once has a test of its own."""
COLUMNS: Final = [{"name": "name", "type": "string"}, {"name": "age", "type": "integer"}]
schemathesis.serializer.alias("text/csv", "text/plain")
SCHEMA: Final = schemathesis.openapi.from_dict(make_api().openapi())
OPERATIONS: Final = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def known(desk: PlatformDesk) -> PlatformDesk:
    """A platform that knows something."""
    desk.acme.put("/api/v1/apps/there", json={"name": "there"}).raise_for_status()
    desk.script("there", app="there")
    desk.acme.put("/api/v1/databases/there", json={"columns": COLUMNS}).raise_for_status()
    desk.acme.put("/api/v1/databases/there/rows/there", json={"name": "there"}).raise_for_status()
    desk.acme.put("/api/v1/kv/keys/there", json={"value": "there"}).raise_for_status()
    desk.script("driver", "export const list = () => [];\nexport const search = list;\n", kind="driver")
    desk.acme.post("/api/v1/jobs", json={"script": "there", "delay_ms": 86_400_000}).raise_for_status()
    desk.acme.put("/api/v1/schedules/there", json={"script": "there", "cron": "@yearly"}).raise_for_status()
    known_of = {"script": "there", "events": ["call.finished"]}
    desk.acme.put("/api/v1/webhooks/there", json=known_of).raise_for_status()
    provider = {"script": "driver", "mode": "live"}
    desk.operator.put("/api/v1/providers/there", params={"tenant": "acme"}, json=provider).raise_for_status()
    return desk


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_every_route_keeps_its_contract(known: PlatformDesk, operation: Any, mode: GenerationMode) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    def keeps(case: Any) -> None:
        authorization = {"Authorization": known.acme.headers["authorization"]}
        case.call_and_validate(
            base_url=known.url,
            headers={**(case.headers or {}), **authorization},
            # A token that may do it is what every example has. Whether a name means something is no schema's to say,
            # and a key of the query that means nothing is passed over.
            excluded_checks=[ignored_auth, positive_data_acceptance, negative_data_rejection],
        )

    try:
        keeps()
    except Exception as error:
        if "Unsatisfiable" in type(error).__name__:
            return  # there is nothing that it does not allow
        raise
    assert known.log_lines("request_failed") == []
