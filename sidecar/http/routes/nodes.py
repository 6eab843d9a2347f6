"""The processes that share a Valkey or Redis."""

from fastapi import APIRouter

from sidecar.hosts.errors import HostUnavailable
from sidecar.http.asking import Asking
from sidecar.http.shapes import Node
from sidecar.shared import nodes
from sidecar.shared.errors import SharedError

router = APIRouter(tags=["nodes"])


@router.get("/nodes")
async def list_nodes(asked: Asking) -> list[Node]:
    """The daemons and platforms that share what this one does, by their machines' names; none where ``shared.url``
    names nothing. One that has ended as it should is not among them, one that has died not after ten seconds. For the
    operator."""
    asked.caller.require_operator()
    shared = await asked.platform.services.shared()
    if shared is None:
        return []
    try:
        found = await nodes.listed(shared)
    except SharedError as error:
        raise HostUnavailable("what machines share does not answer; ask again later") from error
    return [Node.model_validate(node) for node in found]
