"""Values as they are given, looked at before they are stored: by the rules that a catalog is compiled by."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sidecar.catalog.database.errors import WrongValues
from sidecar.catalog.directory.entries import AnyTable, read_table
from sidecar.catalog.findings import Finding
from sidecar.problem import Severity

_LONGEST: Final = 256
_SHORT: Final = ("timeout_action", "error_action")


def table_of(name: str, given: Mapping[str, Any]) -> AnyTable:
    """A table with the keys of assignments.toml: ``script``, ``route`` and the others. Raises WrongValues."""
    table, complaints = read_table(name, given)
    if table is None:
        raise WrongValues([complaint.message for complaint in complaints])
    require_storable(table)
    return table


def require_storable(table: AnyTable) -> None:
    """Raise WrongValues for what no database, or no file, could hold."""
    wrong = []
    for name in table.__struct_fields__:
        value = getattr(table, name)
        if _has(value, nul=True):
            wrong.append(f"{name}: has a NUL")
        if name == "vars" and _has(value, nul=False):
            wrong.append("vars: null has no meaning; leave the key out")
        if name in _SHORT and isinstance(value, str) and len(value) > _LONGEST:
            wrong.append(f"{name}: longer than {_LONGEST} characters")
    if wrong:
        raise WrongValues(wrong)


def require_right(findings: Iterable[Finding]) -> None:
    """Raise WrongValues where there is an error among them."""
    wrong = [finding.told(str) for finding in findings if finding.severity is Severity.ERROR]
    if wrong:
        raise WrongValues(wrong)


def _has(value: object, *, nul: bool) -> bool:
    """Whether a NUL is in it, or a null."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, (list, tuple)):
            left += one
        elif isinstance(one, str):
            if nul and "\x00" in one:
                return True
        elif one is None and not nul and one is not value:
            return True
    return False
