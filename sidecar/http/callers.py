"""Who asks: a token read, its tenant, and what it may."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from sidecar.catalog.database.errors import NotThere
from sidecar.catalog.database.tokens import Bearer, authenticate, digest_of
from sidecar.catalog.database.work import Actor, Store
from sidecar.catalog.model import OPERATOR
from sidecar.http.problems import ApiError

KEPT_SECONDS: Final = 0.5
"""How long it is known of a token that it is good: a run that is asked for costs no query then. One that is revoked
elsewhere is good for as long."""
KEPT: Final = 10_000
"""Tokens known at once, some 500 bytes each."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and for which tenant."""

    bearer: Bearer
    tenant: str
    source: str
    """The address that it comes from."""

    @property
    def is_operator(self) -> bool:
        """Whether everything of every tenant is allowed."""
        return is_operator(self.bearer)

    @property
    def actor(self) -> Actor:
        """As whoever changes something."""
        return self.bearer.actor(self.source)

    def require(self, scope: str) -> None:
        """Raise ApiError where the token has not this scope."""
        if scope not in self.bearer.scopes and not self.is_operator:
            raise ApiError(
                HTTPStatus.FORBIDDEN,
                f"the token has no scope {scope!r}",
                kind="scope-missing",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )

    def require_operator(self) -> None:
        """Raise ApiError for everybody else."""
        if not self.is_operator:
            raise ApiError(HTTPStatus.FORBIDDEN, "only the operator may", kind="not-allowed")


def is_operator(bearer: Bearer) -> bool:
    """Whether everything of every tenant is allowed to this token."""
    return bearer.tenant == OPERATOR and "admin" in bearer.scopes


def caller_for(bearer: Bearer, tenant: str | None, source: str) -> Caller:
    """Who asks for a tenant, by default their own. Raises NotThere for another's, which the operator alone may name:
    whether there is one is nobody else's to know."""
    if tenant is not None and tenant != bearer.tenant and not is_operator(bearer):
        raise NotThere(f"there is no tenant {tenant!r}")
    return Caller(bearer, tenant if tenant is not None else bearer.tenant, source)


class Tokens:
    """Tokens as requests show them."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Bearer]] = OrderedDict()
        self._forgotten = 0

    async def bearer(self, header: str | None) -> Bearer:
        """Who an Authorization header is of. Raises ApiError for one that is missing or no good, StorageError."""
        if header is None:
            raise _unauthorized("a token is needed: Authorization: Bearer sf_...", "")
        scheme, _, text = header.partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            raise _unauthorized("expected Authorization: Bearer sf_...", "invalid_request")
        digest = digest_of(text)
        now = self._clock()
        known = self._known.get(digest)
        if known is not None and known[0] > now:
            return known[1]
        forgotten = self._forgotten
        found = await authenticate(self._store, text, time.time_ns() // 1000)
        if found is None:
            self._known.pop(digest, None)
            raise _unauthorized("the token is unknown, over or revoked", "invalid_token")
        if forgotten == self._forgotten:
            self._known[digest] = now + KEPT_SECONDS, found
            self._known.move_to_end(digest)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found

    def forget(self) -> None:
        """Ask the database of each anew: one was revoked."""
        self._known.clear()
        self._forgotten += 1


def _unauthorized(detail: str, error: str) -> ApiError:
    challenge = f'Bearer error="{error}"' if error else "Bearer"
    return ApiError(HTTPStatus.UNAUTHORIZED, detail, kind="unauthorized", headers={"WWW-Authenticate": challenge})
