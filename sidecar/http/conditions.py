"""``If-Match`` and ``If-None-Match``: two who edit the same do not overwrite each other (RFC 9110 13.1)."""

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Header

from sidecar.catalog.database.errors import NotThere
from sidecar.catalog.database.work import Tagged, Work
from sidecar.http.problems import ApiError, PreconditionRequired

_Record = TypeVar("_Record")

_TAG: Final = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Condition:
    """What whoever changes something has seen."""

    tag: str | None = None
    """The one tag that it must have; None for any."""
    must_be_there: bool = False
    must_be_new: bool = False

    def require(self, before: Tagged | None) -> None:
        """Raise ApiError where it is not there, or is. The tag is compared by whoever changes it."""
        if self.must_be_there and before is None:
            raise ApiError(HTTPStatus.PRECONDITION_FAILED, "If-Match: it is not there", kind="not-there")
        if self.must_be_new and before is not None:
            headers = {"ETag": f'"{before.tag}"'}
            raise ApiError(
                HTTPStatus.PRECONDITION_FAILED, "If-None-Match: it is there", kind="already-there", headers=headers
            )

    def settle(self, before: Tagged | None, work: Work) -> None:
        """Raise PreconditionRequired, which undoes the change, where something that was there has become something
        else, and whoever changed it has not said what they had seen. The same once more is no change."""
        if before is not None and self.tag is None and not self.must_be_there and work.change.has_steps:
            raise PreconditionRequired(before.tag)


def _condition(
    if_match: Annotated[
        str | None, Header(description='The ETag that was seen, or "*". Needed to change what is there.')
    ] = None,
    if_none_match: Annotated[str | None, Header(description='"*" to make what is not there alone.')] = None,
) -> Condition:
    must_be_new = if_none_match is not None
    if must_be_new and (if_none_match or "").strip() != "*":
        raise ApiError(HTTPStatus.BAD_REQUEST, "If-None-Match: expected *", kind="bad-condition")
    if if_match is None:
        return Condition(must_be_new=must_be_new)
    if if_match.strip() == "*":
        return Condition(must_be_there=True, must_be_new=must_be_new)
    found = _TAG.fullmatch(if_match.strip().removeprefix("W/"))
    if found is None:
        raise ApiError(HTTPStatus.BAD_REQUEST, 'If-Match: expected one tag, "...", or *', kind="bad-condition")
    return Condition(tag=found[1], must_be_there=True, must_be_new=must_be_new)


GivenCondition = Annotated[Condition, Depends(_condition)]


def etag(record: Tagged) -> dict[str, str]:
    """The header of a record."""
    return {"ETag": f'"{record.tag}"'}


async def if_there(found: Awaitable[_Record]) -> _Record | None:
    """What is asked for; None where it is not there."""
    try:
        return await found
    except NotThere:
        return None
