"""Carriers and their numbers, as the API takes and gives them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from sidecar.catalog.carriers import Mode, NumberState
from sidecar.http.json_values import JsonTable
from sidecar.http.shapes import NO_NUL, PERHAPS_NO_NUL, Body, Name, Shape, Time


class Provider(Shape):
    """A carrier that numbers are bought of."""

    id: str
    script: str = Field(description="The Driver that it is asked by.")
    mode: Mode = Field(description="``test``: what the Driver says is not kept.")
    company: str


class ProviderBody(Body):
    """A carrier that numbers are bought of."""

    script: Name = Field(description="The id of a Driver.")
    mode: Mode = Field(Mode.TEST, description="``live`` is for the operator to say.")
    company: str = Field("", max_length=256, pattern=PERHAPS_NO_NUL)


class SearchBody(Body):
    """What is looked for."""

    number: str = Field(max_length=256, pattern=NO_NUL, min_length=1, description="A part of a number.")


class FoundNumbers(BaseModel):
    """What a carrier offers."""

    items: list[dict[str, Any]] = Field(description="Each with ``did``, and what else the Driver says.")


class CarrierNumbers(BaseModel):
    """What a carrier has for us, beside what is known here."""

    items: list[dict[str, Any]]
    unknown: list[str] = Field(description="At the carrier, and not known here: they may cost, and nobody has them.")
    missing: list[str] = Field(description="Held here, and not at the carrier.")


class Number(Shape):
    """A number of a carrier."""

    did: str
    provider: str
    customer: str | None = Field(description="Null for one that nobody has yet.")
    state: NumberState | Literal["test"] = Field(
        description="``held``; ``allocating`` and ``releasing`` while the Driver is asked and until it is settled what"
        " became of it; ``test`` for an answer that was not kept."
    )
    fault: str = Field(description="Why it is not known what became of it.")
    details: dict[str, Any] = Field(description="What else the Driver said of it.")
    script: str | None = Field(description="Which its calls run.")
    changed: Time


class NumberAssignment(Body):
    """Which script the calls of a number run, as of an assignment."""

    script: Name
    timeout_ms: int | None = Field(None, ge=1, le=3_600_000)
    timeout_action: str | None = Field(None, max_length=256)
    error_action: str | None = Field(None, max_length=256)
    vars: JsonTable = Field(default_factory=dict)


class NumberBody(Body):
    """A number that is to be had."""

    provider: Name
    customer: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        pattern=NO_NUL,
        description="Left out it is as the Driver says, or as it was; null for nobody's.",
    )
    assignment: NumberAssignment | None = Field(None, description="Left out it is as it was.")
    adopt: bool = Field(False, description="The carrier has it for us already: it is looked for and not bought.")


class Released(BaseModel):
    """What became of a number that was to be given back."""

    did: str
    test: bool = Field(description="Whether it is kept here, since its provider is in mode ``test``.")


class SettleBody(Body):
    """What became of a number."""

    held: bool | None = Field(None, description="Null asks the carrier; true or false is for the operator to say.")


class Settled(BaseModel):
    """What became of a number."""

    did: str
    held: bool
