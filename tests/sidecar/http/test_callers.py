"""Who asks."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.catalog.database.errors import NotThere
from sidecar.catalog.database.tokens import make_token, revoke_token
from sidecar.http.callers import KEPT_SECONDS, Tokens, caller_for
from sidecar.http.problems import ApiError
from sidecar.storage.errors import DatabaseBusy, DatabaseFull, DatabaseUnreachable, StorageError
from tests.sidecar.catalog.database.store_desk import OPERATOR, Desk, made


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = await made(f"sqlite:///{tmp_path / 'platform.db'}")
    yield desk
    await desk.close()


async def token(desk: Desk, tenant: str = "acme", *scopes: str) -> tuple[int, str]:
    async with desk.store.working(OPERATOR, tenant) as work:
        record, text = await make_token(work, "a", scopes or ("read",))
    return record.id, f"Bearer {text}"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic sf_x", "Bearer sf_\u00e9", "sf_x", "Bearer x y"]
)
async def test_what_is_no_token(desk: Desk, header: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        await Tokens(desk.store).bearer(header)
    assert refused.value.status == 401


async def test_one_that_is_revoked_elsewhere_is_good_for_half_a_second(desk: Desk) -> None:
    now = [100.0]
    tokens = Tokens(desk.store, lambda: now[0])
    number, header = await token(desk)
    assert (await tokens.bearer(header)).tenant == "acme"
    async with desk.store.working(OPERATOR, "acme") as work:
        await revoke_token(work, number)
    assert (await tokens.bearer(header)).tenant == "acme"
    now[0] += KEPT_SECONDS
    with pytest.raises(ApiError):
        await tokens.bearer(header)


async def test_one_that_is_revoked_here_is_good_for_nothing(desk: Desk) -> None:
    tokens = Tokens(desk.store)
    number, header = await token(desk)
    await tokens.bearer(header)
    async with desk.store.working(OPERATOR, "acme") as work:
        await revoke_token(work, number)
    tokens.forget()
    with pytest.raises(ApiError):
        await tokens.bearer(header)


@pytest.mark.parametrize(
    ("error", "kept_out"), [(DatabaseFull, False), (DatabaseBusy, False), (DatabaseUnreachable, True)]
)
async def test_that_its_use_cannot_be_noted_keeps_nobody_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: type[StorageError], kept_out: bool
) -> None:
    _, header = await token(desk)

    @contextlib.asynccontextmanager
    async def writing() -> AsyncIterator[None]:
        raise error("no")
        yield

    monkeypatch.setattr(desk.storage, "writing", writing)
    with pytest.raises(error) if kept_out else contextlib.nullcontext():
        assert (await Tokens(desk.store).bearer(header)).tenant == "acme"


async def test_the_operator_alone_names_another_tenant(desk: Desk) -> None:
    tokens = Tokens(desk.store)
    masters = await tokens.bearer((await token(desk, "operator", "admin"))[1])
    assert caller_for(masters, "acme", "").tenant == "acme"
    caller_for(masters, "acme", "").require("run")
    for tenant, scopes in (("operator", ("read", "write", "run")), ("acme", ("admin",))):
        bearer = await tokens.bearer((await token(desk, tenant, *scopes))[1])
        assert caller_for(bearer, tenant, "").tenant == tenant
        with pytest.raises(NotThere):
            caller_for(bearer, "beta", "")
        with pytest.raises(ApiError):
            caller_for(bearer, None, "").require_operator()
