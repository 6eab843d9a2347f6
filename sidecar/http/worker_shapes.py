"""Workers and their messages, as the API takes and gives them."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import Path
from msgspec import structs
from pydantic import BaseModel, Field, field_validator

from sidecar.http.json_values import sound_table
from sidecar.http.shapes import Body, Shape, Time
from sidecar.queue.message import Message as MessageRecord
from sidecar.queue.message import MessageState

MESSAGE_ID: Final = r"^[0-9a-f]{32}$"
MessageInPath = Annotated[str, Path(pattern=MESSAGE_ID)]


class Worker(Shape):
    """A Worker that has, or has had, messages."""

    script: str
    waiting: int = Field(description="Messages, the one under way among them.")
    dead: int = Field(description="Messages that are given no more by themselves.")
    oldest_seconds: float | None = Field(description="How long the message waits that was sent first.")
    owner: str = Field(description="The process in which it lives; empty where it does not.")
    done: int = Field(description="Messages that it has come to the end of, ever.")


class MessageBody(Body):
    """What a Worker is to be sent."""

    data: Any = Field(None, description="The first argument of its ``main``.")

    @field_validator("data")
    @classmethod
    def _data_is_sound(cls, value: Any) -> Any:
        return sound_table({"data": value})["data"]


class Sent(BaseModel):
    """A message that is kept."""

    id: str


class Message(BaseModel):
    """A message."""

    number: int = Field(description="Its place among all.")
    id: str
    script: str
    state: MessageState
    sent: Time
    due: Time = Field(description="It is not given before.")
    attempt: int = Field(description="Attempts that have failed.")
    losses: int = Field(description="So often the process that had it has died.")
    error: str | None
    name: str | None
    source: str


class WholeMessage(Message):
    """A message with what it says."""

    data: Any


def message_values(message: MessageRecord) -> dict[str, Any]:
    """A message's record as `Message` has it."""
    error = message.error
    told = {"error": error.message if error else None, "name": error.name if error else None}
    return {**structs.asdict(message), **told}


def message_shape(message: MessageRecord) -> Message:
    """A message as it is told in lists."""
    return Message.model_validate(message_values(message))


def whole_message(message: MessageRecord, data: str) -> WholeMessage:
    """A message with what it says."""
    return WholeMessage.model_validate({**message_values(message), "data": msgspec.json.decode(data)})
