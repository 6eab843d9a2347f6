"""What the checks say that modules of the host export is what these give to a script."""

import pytest

from sidecar.configuration.tree import Configuration
from sidecar.hosts.grants import shipped_names
from sidecar.hosts.services import Services
from sidecar.language.module_exports import module_exports
from tests.sidecar.hosts.module_runs import scripts

BESIDE_A_RUN = {"cxC5Server", "cxWebSocket"}
"""There where there is a call, or a web socket."""


@pytest.mark.parametrize("name", sorted(one for one in shipped_names() - BESIDE_A_RUN if one.startswith("cx")))
async def test_a_module_exports_what_is_declared_of_it(name: str) -> None:
    services = Services(Configuration())
    async with scripts(services) as runs:
        found = await runs.run(f"import * as all from '{name}'\nexport const main = () => Object.keys(all)")
    await services.close()
    assert module_exports(name) == frozenset(found)
