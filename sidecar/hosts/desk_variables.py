"""Variables of apps in memory, for as long as the process lives: for trying scripts at a desk."""

from collections.abc import Mapping
from typing import Final

from sidecar.catalog.app_variables import parse_variable_name, parse_variable_value
from sidecar.hosts.errors import HostError

DESK_APP: Final = "desk"
"""The app of a script that is tried."""


class DeskVariables:
    """What scripts have set."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], dict[str, str]] = {}

    def of(self, tenant: str, app: str) -> Mapping[str, str]:
        """Of an app, by name."""
        return self._values.get((tenant, app), {})

    def set(self, tenant: str, app: str, name: str, value: str) -> None:
        """Set one. Raises HostError for what no variable can be."""
        try:
            own = {parse_variable_name(name): parse_variable_value(value)}
        except ValueError as error:
            raise HostError(str(error)) from None
        self._values[tenant, app] = {**self.of(tenant, app), **own}
