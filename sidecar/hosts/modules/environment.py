"""setEnvVar and getEnvVars: the variables of a script's own app, while it runs."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    script = asker.script
    if not script.app:
        raise HostError("a script without an app has no variables")
    catalog, desk = await asker.services.catalog(), asker.services.desk_variables
    match method, values:
        case "read", []:
            if desk is not None:
                return {**script.environment, **desk.of(script.tenant, script.app)}
            return dict(script.environment) if catalog is None else await catalog.variables(script.tenant, script.app)
        case "set", [str(name), str(value)]:
            if desk is not None:
                return desk.set(script.tenant, script.app, name, value)
            if catalog is None:
                raise HostError("the variables of this app are in a file, which scripts do not write")
            return await catalog.set_variable(script.tenant, script.app, script.id, name, value)
    raise HostError(f"{method}: a variable has a name and a text", "TypeError")


MODULE = HostModule(
    name="environment",
    javascript=javascript_beside(__file__, "texts"),
    answer=_answer,
    globals=("setEnvVar", "getEnvVars"),
)
