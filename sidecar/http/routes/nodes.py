"""The processes that share a Valkey or Redis, or where there is none a database."""

from fastapi import APIRouter

from sidecar.hosts.errors import HostUnavailable
from sidecar.http.asking import Asking
from sidecar.http.shapes import Node
from sidecar.nodes import in_database, in_shared
from sidecar.shared.errors import SharedError

router = APIRouter(tags=["nodes"])


@router.get("/nodes")
async def list_nodes(asked: Asking) -> list[Node]:
    """The daemons and platforms that have this one's Valkey or Redis in common, or where ``shared.url`` names none its
    database, by their machines' names. One that has ended as it should is not among them, one that has died not after
    twenty seconds. For the operator."""
    asked.caller.require_operator()
    shared = await asked.platform.services.shared()
    if shared is None:
        found = await in_database.listed(asked.platform.store.storage)
    else:
        try:
            found = await in_shared.listed(shared)
        except SharedError as error:
            raise HostUnavailable("what machines share does not answer; ask again later") from error
    return [Node.model_validate(node) for node in found]
