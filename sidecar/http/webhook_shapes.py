"""Webhooks and what they are told, as the API takes and gives them."""

from typing import Annotated, Any

import msgspec
from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from sidecar.event_name import EventName
from sidecar.http.job_shapes import FUNCTION, JOB_ID
from sidecar.http.shapes import NO_NUL, Body, Name, Time
from sidecar.kind import MAIN
from sidecar.queue.job import Job, JobState, Texts

DeliveryInPath = Annotated[str, Path(pattern=JOB_ID)]


class WebhookBody(Body):
    """Where events are told: to an address, or to a function of a script."""

    events: list[EventName] = Field(min_length=1, max_length=len(EventName))
    url: Annotated[str, Field(min_length=1, max_length=2_048, pattern=NO_NUL)] | None = None
    script: Name | None = Field(
        None, description="In place of url: the id of a script whose function is begun as a job."
    )
    function: str = Field(MAIN, pattern=FUNCTION)
    only: Name | None = Field(None, description="The id of the script whose events alone are told.")


class Webhook(BaseModel):
    """A webhook."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    events: list[EventName]
    url: str | None
    script: str | None
    function: str
    only: str | None


class Secret(BaseModel):
    """What is known of the secret that webhooks are signed with."""

    model_config = ConfigDict(from_attributes=True)

    created: Time
    previous_until: Time | None = Field(description="Until when the one before is signed with as well.")


class NewSecret(Secret):
    """A secret, which is told this once."""

    secret: str


class Delivery(BaseModel):
    """What a webhook is told, or was."""

    id: str
    webhook: str = Field(description="Its name; its id where it is gone.")
    state: JobState
    attempt: int = Field(description="Attempts that have failed.")
    attempts: int
    created: Time
    due: Time | None = Field(description="When it is tried next; until when it is kept, once it is over.")
    finished: Time | None
    error: str | None


class WholeDelivery(Delivery):
    """The same with the events that are left to be told; once it is over with the last one."""

    events: list[Any]


def delivery_values(job: Job, names: dict[str, str]) -> dict[str, Any]:
    """A delivery's record as `Delivery` has it; ``names`` are those of webhooks by their ids."""
    return {
        **{name: getattr(job, name) for name in ("id", "state", "attempt", "attempts", "created", "finished")},
        "webhook": names.get(job.script, job.script),
        "due": job.due if job.state is JobState.DELAYED or job.is_over else None,
        "error": job.error.message if job.error is not None else None,
    }


def whole_delivery(job: Job, names: dict[str, str], texts: Texts) -> WholeDelivery:
    """The same with its events."""
    return WholeDelivery(**delivery_values(job, names), events=msgspec.json.decode(texts.data)["events"])
