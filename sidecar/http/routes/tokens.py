"""Tokens."""

from http import HTTPStatus

from fastapi import APIRouter

from sidecar.catalog.database import tokens
from sidecar.catalog.database.errors import WrongValues
from sidecar.http.asking import Asking
from sidecar.http.pages import page
from sidecar.http.shapes import AfterNumber, Limit, NewToken, NumberInPath, Page, Token, TokenBody

router = APIRouter(tags=["tokens"])


@router.get("/tokens")
async def list_tokens(asked: Asking, after: AfterNumber = 0, limit: Limit = 100) -> Page[Token]:
    """A tenant's tokens, those revoked among them."""
    async with asked.reading("admin") as scope:
        found = await tokens.list_tokens(scope, after=after, limit=limit + 1)
    return page(found, limit, lambda one: one.id)


@router.post("/tokens", status_code=HTTPStatus.CREATED)
async def make_token(asked: Asking, body: TokenBody) -> NewToken:
    """A token of the tenant. Its text is told now and never again."""
    expires = None
    if body.expires is not None:
        if body.expires.tzinfo is None:
            raise WrongValues(["expires: needs its time zone, such as Z"])
        expires = round(body.expires.timestamp() * 1e6)
    async with asked.writing("admin") as work:
        record, text = await tokens.make_token(work, body.name, body.scopes, expires=expires)
    return NewToken(**Token.model_validate(record).model_dump(), token=text)


@router.get("/tokens/{number}")
async def get_token(asked: Asking, number: NumberInPath) -> Token:
    """One token, without its text."""
    async with asked.reading("admin") as scope:
        return Token.model_validate(await tokens.get_token(scope, number))


@router.delete("/tokens/{number}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_token(asked: Asking, number: NumberInPath) -> None:
    """Have a token be good for nothing, within a second wherever it is shown. Once more changes nothing."""
    async with asked.writing("admin") as work:
        await tokens.revoke_token(work, number)
    asked.platform.tokens.forget()
