"""What the modules of calls ask, be the calls carried by this process or by the daemon beside it."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from sidecar.catalog.model import Script


class CallRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that a script wants placed: who is called and whom that party is connected to, as the script wrote it."""

    script: str
    """The id and the version of the script, which the call's record has."""
    script_version: str
    company: str = ""
    server: str
    destination: str
    cli: str
    extension: str

    @classmethod
    def of(cls, script: Script, company: str, server: str, destination: str, cli: str, extension: str) -> "CallRequest":
        """What a script asks, in the order of ``originate``."""
        return cls(
            script=script.id,
            script_version=script.version,
            company=company,
            server=server,
            destination=destination,
            cli=cli,
            extension=extension,
        )


class FollowedCall(Protocol):
    """A call that a run has placed, and what it hears of it."""

    @property
    def id(self) -> str: ...

    async def next(self) -> list[list[Any]] | None:
        """What has come, as ``[name, detail]`` each; waits where nothing has. None after the last. Raises HostError."""
        ...

    def leave(self) -> None:
        """The run is over: nothing more is heard, and a call whose party has not answered is given up."""
        ...


class CallPlacing(Protocol):
    """Places and controls calls of tenants. Each raises HostError for what cannot be."""

    async def servers(self, tenant: str, names: Sequence[str]) -> list[str]:
        """The names, all of servers of the tenant's; of none all that it has."""
        ...

    async def place(self, tenant: str, request: CallRequest) -> FollowedCall:
        """Begin to place a call."""
        ...

    async def calls(self, tenant: str) -> list[dict[str, Any]]:
        """The tenant's calls that are up."""
        ...

    async def hang_up(self, tenant: str, call_id: str, cause: Any) -> None:
        """End one of them; a cause as of ``ctx.hangup``."""
        ...

    async def transfer(self, tenant: str, call_id: str, destination: str) -> None:
        """Connect its first party to somebody else."""
        ...

    async def registrations(self, tenant: str, names: Sequence[str], user: str | None) -> list[dict[str, Any]]:
        """Who is registered with these servers."""
        ...
