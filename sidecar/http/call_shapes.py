"""The shapes of calls' records, as the API gives them. Times within a call are seconds from its arrival."""

import datetime
from typing import Any, Self

from pydantic import Field

from sidecar.http.shapes import Shape
from sidecar.operations.call_record import CallRecord


class CallInList(Shape):
    """One call, as a list has it."""

    id: str
    driver: str = Field(description="What carried it: sip, freeswitch or rpc.")
    placed: bool = Field(description="Whether a script has placed it; else it came in.")
    tenant: str
    customer: str
    cli: str
    dest_number: str = Field(description="The number dialled; of a placed call its first party's.")
    server: str = Field(description="Of a placed call: the server that it was placed by.")
    extension: str = Field(description="Of a placed call: whom its first party was connected to.")
    script: str
    script_version: str
    arrived: datetime.datetime
    answered: float | None
    ended: float
    hangup_by: str
    cause: int
    code: int
    reason: str
    outcome: str = Field(
        description="How its script ended; of a placed call how far it came: connected, not_connected, not_answered,"
        " given_up."
    )
    error: str

    @classmethod
    def of(cls, record: CallRecord) -> Self:
        """The same of a record."""
        fields: dict[str, Any] = {name: getattr(record, name) for name in cls.model_fields}
        fields["arrived"] = datetime.datetime.fromtimestamp(record.arrived, datetime.UTC)
        return cls.model_validate(fields)


class CallActionDone(Shape):
    """One action of the script, in order of its beginning."""

    action: str
    began: float
    ended: float
    result: str
    headers: list[tuple[str, str]]


class CallLeg(Shape):
    """Something about another party, whose destination has the gateway that it was called by."""

    at: float
    destination: str
    what: str
    code: int


class CallWarning(Shape):
    """Something that the script's author should mend."""

    at: float
    message: str
    location: str


class Call(CallInList):
    """One call in full."""

    cli_name: str
    source: str
    error_location: str
    actions: list[CallActionDone]
    actions_left_out: int
    legs: list[CallLeg]
    warnings: list[CallWarning]
    recordings: list[str]
    log: list[str]
