"""What a Driver answers that buys numbers of a carrier: results of ``search``, ``allocate``, ``release``, ``list``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from sidecar.drivers.shapes import WrongResult, an_object, wrong
from sipio.number import did_of, is_did

DID_CHARACTERS: Final = 256
CUSTOMER_CHARACTERS: Final = 256
ROWS: Final = 100_000
"""Of one answer; what a run may result in is bounded by ``sandbox.result_bytes`` before."""


class CarrierNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number as a carrier tells it."""

    did: str
    details: Mapping[str, Any] = {}
    """Whatever else is said of it."""

    @property
    def subject(self) -> str:
        """The number without what does not tell numbers apart."""
        return did_of(self.did)


class AllocatedNumber(CarrierNumber, frozen=True, kw_only=True):
    """A number that the carrier has sold."""

    customer: str | None = None
    """Whose it is to be; None for nobody's yet."""


def read_numbers(function: str, value: Any) -> Sequence[CarrierNumber]:
    """The result of ``search`` or ``list``. Raises WrongResult."""
    if not isinstance(value, list):
        raise wrong(function, "", "a list of objects with a `did`", value)
    if len(value) > ROWS:
        raise WrongResult(function, "", f"more than {ROWS:_} numbers")
    found = []
    for index, one in enumerate(value):
        row = an_object(function, f"[{index}]", one)
        did = _did(function, f"[{index}].did", row.get("did"))
        found.append(CarrierNumber(did=did, details={key: field for key, field in row.items() if key != "did"}))
    return found


def read_allocated(did: str, value: Any) -> AllocatedNumber | None:
    """The result of ``allocate`` for this number; None where the carrier has refused it. Raises WrongResult."""
    if value is None:
        return None
    row = an_object("allocate", "", value)
    given = _did("allocate", "did", row["did"]) if row.get("did") is not None else did
    if did_of(given) != did_of(did):
        raise WrongResult("allocate", "did", f"is {given!r}, and {did!r} was asked for")
    customer = row.get("customer_id")
    if isinstance(customer, int) and not isinstance(customer, bool):
        customer = str(customer)
    if customer is not None and not (isinstance(customer, str) and 0 < len(customer) <= CUSTOMER_CHARACTERS):
        raise wrong("allocate", "customer_id", "text, a number or null", customer)
    if customer is not None and "\x00" in customer:
        raise WrongResult("allocate", "customer_id", "has a NUL")
    details = {key: field for key, field in row.items() if key not in ("did", "customer_id")}
    return AllocatedNumber(did=given, customer=customer, details=details)


def read_released(value: Any) -> bool:
    """The result of ``release``: whether the carrier has taken the number back. Raises WrongResult."""
    if not isinstance(value, bool):
        raise wrong("release", "", "true or false", value)
    return value


def _did(function: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise wrong(function, key, "a number as text", value)
    if not is_did(value) or len(value) > DID_CHARACTERS or "\x00" in value:
        raise WrongResult(function, key, f"{value[:60]!r} is no number")
    return value
