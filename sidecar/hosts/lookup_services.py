"""The operator's file of HTTP services that numbers are looked up at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from sidecar.errors import ConfigurationError

NAMES: Final = frozenset(("asrplus", "tps", "nnpc", "hlr", "lrn", "ping"))
"""The lookups that scripts know."""


class LookupService(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of them."""

    url: str
    authorization: str = ""

    def __repr__(self) -> str:
        return f"LookupService(url={self.url!r})"

    @property
    def place(self) -> tuple[str, int | None]:
        """Its host, and its port where that is named. Raises ValueError."""
        url = urlsplit(self.url)
        return url.hostname or "", url.port


def read_services(file: Path | None) -> Mapping[str, LookupService]:
    """The services in the file that ``lookup.services_file`` names, by the lookup's name; none without one. Raises
    ConfigurationError for a file that cannot be used."""
    if file is None:
        return {}
    try:
        services = msgspec.toml.decode(file.read_bytes(), type=dict[str, LookupService])
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"lookup.services_file: {file}: {error}") from error
    for name, service in services.items():
        if name not in NAMES:
            known = ", ".join(sorted(NAMES))
            raise ConfigurationError(f"lookup.services_file: there is no lookup {name}: expected {known}")
        try:
            url = urlsplit(service.url)
            host, _ = service.place
        except ValueError as error:
            raise ConfigurationError(f"lookup.services_file: {name}: {error}") from None
        if url.scheme not in ("http", "https") or not host or "{" in url.netloc:
            raise ConfigurationError(f"lookup.services_file: {name}: url: expected http://... or https://...")
        if "{number}" not in service.url:
            raise ConfigurationError(f"lookup.services_file: {name}: url has no {{number}}")
    return services
