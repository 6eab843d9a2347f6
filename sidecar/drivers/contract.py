"""A Driver's functions by name: which there are, and whether what one gave is what it must give."""

from collections.abc import Mapping
from typing import Any, Final

from sidecar.catalog.model import Script
from sidecar.drivers.alert import entry_of, read_alert
from sidecar.drivers.did import read_allocated, read_numbers, read_released
from sidecar.drivers.shapes import WrongResult
from sidecar.kind import ALERT, DID_FUNCTIONS, MAIN, Kind
from sidecar.language.places import place_of_function

CHANGING: Final = ("allocate", "release")
"""Functions after which the carrier is asked for money, or for a number."""


def check_result(script: Script, function: str, argument: Any, value: Any) -> None:
    """Raise WrongResult where a function of a Driver's contract gave what it must not. What else a Driver exports, and
    any other kind, may give anything."""
    if script.kind is not Kind.DRIVER:
        return
    match function:
        case "search" | "list":
            read_numbers(function, value)
        case "allocate":
            did = argument.get("did") if isinstance(argument, Mapping) else None
            read_allocated(did if isinstance(did, str) else _own_did(value), value)
        case "release":
            read_released(value)
        case _ if function == ALERT or (function == MAIN and _is_alert(script)):
            read_alert(function, value)


def place_of(script: Script, function: str) -> str:
    """Where a script has a function, ``file:line:column``; the script's name where that cannot be seen."""
    texts = {script.name: script.text, **{name: file.text for name, file in script.prepared.files.items()}}
    for file, text in texts.items():
        place = place_of_function(text, file, function)
        if place is not None:
            return f"{file}:{place[0]}:{place[1]}"
    return script.name


def _is_alert(script: Script) -> bool:
    return entry_of(script.entries) == MAIN and set(DID_FUNCTIONS).isdisjoint(script.entries)


def _own_did(value: Any) -> str:
    did = value.get("did") if isinstance(value, Mapping) else None
    if value is not None and not isinstance(did, str):
        raise WrongResult("allocate", "did", "is not there, and none was asked for")
    return did if isinstance(did, str) else ""
