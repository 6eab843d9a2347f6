"""Whom connections of scripts trust, and what is told of who proved to be trusted."""

import asyncio
import hashlib
import ssl
from pathlib import Path
from typing import Any, Final

from sidecar.errors import ConfigurationError
from sidecar.hosts.outgoing.connection_errors import ConnectionFailed

CA_CHARACTERS: Final = 262_144
"""Of the certificates that a script trusts: some hundred and fifty. They are parsed beside the event loop."""
PROTOCOLS: Final = 4
"""Names of protocols (ALPN) that a script offers: there are h2, http/1.1 and ftp."""
PROTOCOL_CHARACTERS: Final = 255
"""Of one (RFC 7301 clause 3.1)."""


def trusted(tls_ca: Path | None) -> ssl.SSLContext:
    """The system's authorities, and those of the operator's file. Reads files. Raises ConfigurationError."""
    context = ssl.create_default_context()
    if tls_ca is not None:
        try:
            context.load_verify_locations(cafile=tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"outgoing.tls_ca: {tls_ca} cannot be used: {error}") from error
    return context


class Trust:
    """Contexts of TLS: one for what is trusted usually, and what a script trusts instead made anew each time."""

    def __init__(self, tls_ca: Path | None) -> None:
        self._tls_ca = tls_ca
        self._making = asyncio.Lock()
        self._usual: dict[tuple[str, ...], ssl.SSLContext] = {}
        """By the protocols that are offered, which are a context's; of those that scripts make up none is kept."""

    async def context(self, ca: str, protocols: tuple[str, ...]) -> ssl.SSLContext:
        """``ca`` are PEM certificates that are trusted instead of the usual ones; empty for those. Certificate and name
        are verified whatever is asked. Raises ConnectionFailed, ConfigurationError."""
        if ca:
            return _offering(await asyncio.to_thread(_trusting, ca), protocols)
        async with self._making:
            context = self._usual.get(protocols)
            if context is None:
                context = _offering(await asyncio.to_thread(trusted, self._tls_ca), protocols)
                if protocols in ((), ("http/1.1",)):
                    self._usual[protocols] = context
        return context


def _trusting(ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # One that is trusted itself needs nobody above it: a server's own that was pinned.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=ca)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise ConnectionFailed("ERR_INVALID_ARG_VALUE", "ca: it is no certificate in PEM") from error
    return context


def _offering(context: ssl.SSLContext, protocols: tuple[str, ...]) -> ssl.SSLContext:
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def shown(secured: ssl.SSLObject) -> dict[str, Any]:
    """What a script may know of a connection that TLS has made sure of."""
    cipher = secured.cipher() or ("", "", 0)
    return {
        "protocol": secured.version() or "",
        "cipher": {"name": cipher[0], "version": cipher[1], "bits": cipher[2]},
        "alpn": secured.selected_alpn_protocol(),
        "certificate": _certificate(secured),
    }


def _certificate(secured: ssl.SSLObject) -> dict[str, Any]:
    given: dict[str, Any] = secured.getpeercert() or {}
    encoded = secured.getpeercert(binary_form=True) or b""
    return {
        "subject": _named(given.get("subject", ())),
        "issuer": _named(given.get("issuer", ())),
        "subjectaltname": ", ".join(f"{kind}:{value}" for kind, value in given.get("subjectAltName", ())),
        "valid_from": given.get("notBefore", ""),
        "valid_to": given.get("notAfter", ""),
        "serialNumber": given.get("serialNumber", ""),
        "fingerprint": _colons(hashlib.sha1(encoded, usedforsecurity=False).hexdigest()),
        "fingerprint256": _colons(hashlib.sha256(encoded).hexdigest()),
        "raw": encoded,
    }


_SHORT: Final = {
    "commonName": "CN",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
}
"""Names of parts of a name (RFC 4514 clause 3), as Node writes them."""


def _named(parts: Any) -> dict[str, str]:
    return {_SHORT.get(key, key): value for part in parts for key, value in part}


def _colons(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper()
