"""What is measured: a routing of a wanted size, a script of 50 lines, and a catalog of as many as wanted."""

import itertools
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import CatalogSection, Configuration
from sidecar.runs.outcomes import OutcomeName

RATE_LIMIT: Final = 0.05
DECIDED: Final = OutcomeName.RETURNED
"""The outcome of a request that counts."""
_CITIES: Final = ("Amsterdam", "Bucharest", "Dublin", "Frankfurt", "Lisbon", "London", "Madrid", "Paris", "Vienna")


def customer(number: int) -> str:
    """The customer whose calls the script of this number decides."""
    return f"customer-{number}"


def routing_script() -> str:
    """The script measured where no other is named."""
    return (files(__package__) / "routing.js").read_text(encoding="utf-8")


def script(number: int, text: str) -> str:
    """The script of this number: the same work in a text of its own, as no two customers have the same."""
    return f"{text}\n// Routing of {customer(number)}\n"


def routing(size: int) -> dict[str, Any]:
    """A switch's decision of about ``size`` bytes as JSON: as many destinations as that takes, at least one."""
    found: dict[str, Any] = {
        "account_id": 40_312,
        "server": "sbc-2.example.net",
        "direction": "termination",
        "cli": "020 7946 0123",
        "dest_number": "0044 20 7183 8750",
        "received": 1_760_000_000_000,
        "egress_routing": [],
    }
    destinations: list[dict[str, Any]] = found["egress_routing"]
    length = len(msgspec.json.encode(found))
    for number in itertools.count(1):
        destination = _destination(number)
        length += len(msgspec.json.encode(destination)) + 1
        if destinations and length > size:
            return found
        destinations.append(destination)
    raise AssertionError


def _destination(number: int) -> dict[str, Any]:
    return {
        "name": f"{_CITIES[number % len(_CITIES)]} {number}",
        "trunk": 7_000 + number,
        "rate": round(0.004 + (number * 7919 % 23) / 1000, 4),
        "priority": 1 + number % 3,
        "codecs": ["PCMA", "PCMU"] if number % 2 else ["PCMA", "G722", "opus"],
        "headers": [{"key": "X-Account", "value": 40_312}],
        "gw": {
            str(200 + number): {
                "cli": "020 7946 0123",
                "host": f"192.0.2.{number % 250}",
                "port": 5060,
                "transport": "udp",
                "channels": 30 * (number % 4 + 1),
            }
        },
    }


@dataclass(frozen=True, slots=True)
class Request:
    """Who calls, and the decision to change."""

    customer: str
    routing: dict[str, Any]


def requests(scripts: int, size: int) -> list[Request]:
    """One request for each of so many customers."""
    shared = routing(size)
    return [Request(customer(number), shared) for number in range(scripts)]


@dataclass(frozen=True, slots=True)
class OwnScript:
    """A script that the user brings, measured instead of the shipped one."""

    text: str
    variables: str
    """The variables of its assignment, as TOML text."""


def write_catalog(directory: Path, scripts: int, own: OwnScript | None = None) -> None:
    """Write so many scripts of the shipped text or one's own, and a customer assigned to each."""
    text = routing_script() if own is None else own.text
    variables = f'vars.limits = {{ rate = {RATE_LIMIT}, name = "standard" }}'
    if own is not None:
        # What JSON escapes, TOML reads; but for one control character, which TOML wants escaped as well.
        quoted = json.dumps(own.variables, ensure_ascii=False).replace("\x7f", "\\u007f")
        variables = f"vars = {quoted}"
    (directory / "scripts").mkdir(parents=True)
    tables: list[str] = []
    for number in range(scripts):
        name = f"routing-{number}"
        (directory / "scripts" / f"{name}.js").write_text(script(number, text), encoding="utf-8")
        tables.append(f'[[script]]\nfile = "{name}.js"\n')
        tables.append(f'[[route]]\ncustomer = "{customer(number)}"\nscript = "{name}"\n{variables}\n')
    (directory / "assignments.toml").write_text("\n".join(tables), encoding="utf-8")


def load_catalog(directory: Path) -> Snapshot:
    """The catalog as a daemon would load it. Raises CatalogError."""
    loader = DirectoryLoader(CatalogSection(directory=directory), Configuration().decisions)
    return loader.load().require()
