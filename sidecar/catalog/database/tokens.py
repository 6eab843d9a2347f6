"""Who may ask: tokens, of which the database has the hash alone."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from sqlalchemy import insert, select, update

from sidecar.catalog.database.errors import WrongValues
from sidecar.catalog.database.work import Actor, Scope, Store, Work
from sidecar.catalog.model import OPERATOR
from sidecar.storage.errors import DatabaseBusy, DatabaseFull
from sidecar.storage.tables import tenants, tokens

PREFIX: Final = "sf_"
SECRET_BYTES: Final = 32
SCOPES: Final = ("read", "write", "run", "admin")
"""``read`` sees, ``write`` changes, ``run`` runs scripts, ``admin`` makes tokens; the operator's ``admin`` is allowed
everything of every tenant."""
USED_SECONDS: Final = 60
"""How exactly the last use is known: a token is not written to with each request."""
_MICROSECONDS: Final = 1_000_000
_LONGEST: Final = 200


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A token as whoever administers it sees it. Times are microseconds since 1970, UTC."""

    id: int
    name: str
    scopes: tuple[str, ...]
    made_by: str
    created: int
    expires: int | None
    last_used: int | None
    revoked: int | None


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """Who has shown a token that is good."""

    token: int
    name: str
    tenant: str
    scopes: frozenset[str]

    def actor(self, source: str) -> Actor:
        """As whoever changes something."""
        operator = self.tenant == OPERATOR and "admin" in self.scopes
        return Actor(who=f"token {self.token} ({self.name})", source=source, operator=operator)


async def make_token(
    work: Work, name: str, scopes: Iterable[str], *, expires: int | None = None
) -> tuple[TokenRecord, str]:
    """A token of the tenant, and its text, which is known now and never again. Raises WrongValues."""
    given = tuple(scope for scope in SCOPES if scope in set(scopes))
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not given:
        raise WrongValues([f"scopes: expected some of {', '.join(SCOPES)}, got {', '.join(unknown) or 'none'}"])
    if not 0 < len(name) <= _LONGEST or "\x00" in name:
        raise WrongValues([f"name: expected 1 to {_LONGEST} characters"])
    if expires is not None and expires <= work.now:
        raise WrongValues(["expires: is over already"])
    text = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    made = await work.connection.execute(
        insert(tokens).values(
            tenant_id=work.tenant_id,
            name=name,
            digest=digest_of(text),
            scopes=" ".join(given),
            made_by=work.actor.who[:256],
            created=work.now,
            expires=expires,
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101 - a row has one
    record = await get_token(work, made.inserted_primary_key[0])
    work.audit("token.make", str(record.id), None, record)
    return record, text


async def list_tokens(scope: Scope, *, after: int = 0, limit: int = 100) -> Sequence[TokenRecord]:
    """A tenant's tokens, those revoked among them; ``after`` the last of the page before."""
    query = scope.own(tokens).where(tokens.c.id > after).order_by(tokens.c.id).limit(limit)
    return [_record(row) for row in (await scope.connection.execute(query)).all()]


async def get_token(scope: Scope, number: int) -> TokenRecord:
    """One token. Raises NotThere."""
    return _record(await scope.one(scope.own(tokens).where(tokens.c.id == number), f"token {number}"))


async def revoke_token(work: Work, number: int) -> TokenRecord:
    """Have a token be good for nothing from now on; once more changes nothing. Raises NotThere."""
    before = await get_token(work, number)
    if before.revoked is not None:
        return before
    own = tokens.c.id == number, tokens.c.tenant_id == work.tenant_id
    await work.connection.execute(update(tokens).where(*own).values(revoked=work.now))
    after = await get_token(work, number)
    work.audit("token.revoke", str(number), before, after)
    return after


async def authenticate(store: Store, text: str, now: int) -> Bearer | None:
    """Who a token is of; None for one that is unknown, over or revoked. ``now`` in microseconds."""
    if not text.startswith(PREFIX) or len(text) > _LONGEST:
        return None
    query = select(tokens, tenants.c.name.label("tenant")).join(tenants, tenants.c.id == tokens.c.tenant_id)
    async with store.storage.reading() as connection:
        row = (await connection.execute(query.where(tokens.c.digest == digest_of(text)))).one_or_none()
    if row is None or row.revoked is not None or (row.expires is not None and row.expires <= now):
        return None
    if row.last_used is None or now - row.last_used > USED_SECONDS * _MICROSECONDS:
        # A disk that is full, or an import that writes for long, keeps nobody out.
        with contextlib.suppress(DatabaseBusy, DatabaseFull):
            async with store.storage.writing() as connection:
                await connection.execute(update(tokens).where(tokens.c.id == row.id).values(last_used=now))
    return Bearer(token=row.id, name=row.name, tenant=row.tenant, scopes=frozenset(row.scopes.split()))


def digest_of(text: str) -> str:
    """What of a token is stored. It has 256 bits of chance, so that no salt and no slow hash is needed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _record(row: object) -> TokenRecord:
    fields = {name: getattr(row, name) for name in TokenRecord.__struct_fields__ if name != "scopes"}
    return TokenRecord(scopes=tuple(getattr(row, "scopes").split()), **fields)  # noqa: B009 - a row's is dynamic
