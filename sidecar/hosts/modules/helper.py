"""cxHelper: a key that proves to who has the same secret that a customer was set by a script of ours."""

from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside


async def _answer(_asker: Asker, method: str, _values: list[Any]) -> Any:
    """Refuse: its JavaScript answers all by itself."""
    raise HostError(f"cxHelper asks nothing: {method[:40]!r}", "TypeError")


MODULE = HostModule(name="cxHelper", javascript=javascript_beside(__file__, "texts"), answer=_answer)
