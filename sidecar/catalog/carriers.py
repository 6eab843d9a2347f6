"""What is said of carriers and of their numbers, wherever that is kept."""

from enum import StrEnum
from typing import Any, Final

import msgspec

DETAILS_CHARACTERS: Final = 20_000
"""Of what a Driver says of one number."""


class Mode(StrEnum):
    """Whether what a Driver says of numbers is kept."""

    TEST = "test"
    LIVE = "live"


class NumberState(StrEnum):
    """How far it has come with a number."""

    HELD = "held"
    ALLOCATING = "allocating"
    RELEASING = "releasing"


def parse_details(text: str) -> str:
    """What a Driver has said of a number, as it is kept. Raises ValueError for what is no JSON object."""
    if len(text) > DETAILS_CHARACTERS:
        raise ValueError(f"longer than {DETAILS_CHARACTERS:_} characters")
    try:
        msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"expected a JSON object: {error}") from None
    return text
