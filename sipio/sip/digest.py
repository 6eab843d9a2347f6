"""Digest authentication (RFC 7616, and RFC 2617 as most of the world has it): the hashes and both headers."""

import hashlib
import re
from typing import Final

import msgspec

from sipio.errors import MalformedMessage

CHALLENGE_CHARACTERS: Final = 4_096
"""The longest challenge or credentials read; real ones have 300."""

_TOLD: Final = 4
"""Challenges of one answer that an operator is told of; there are seldom more than two."""
_ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256"}
_PARAMETER: Final = re.compile(r'\s*([A-Za-z0-9_*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')
_ESCAPE: Final = re.compile(r"\\(.)")


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """A WWW-Authenticate or Proxy-Authenticate that can be answered."""

    realm: str
    nonce: str
    algorithm: str
    """The text is sent back as the peer wrote it; empty where the peer named none."""
    opaque: str = ""
    stale: bool = False
    qop: bool = False
    """Whether ``auth`` is offered; without it RFC 2069's shorter form is used."""


def parse_parameters(text: str) -> dict[str, str]:
    """The parameters of one Digest header, names in lower case, quotes and escapes resolved.

    Raises:
        MalformedMessage: another scheme, or text that is no list of parameters.
    """
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest" or len(text) > CHALLENGE_CHARACTERS:
        raise MalformedMessage("no Digest header")
    found: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None:
            raise MalformedMessage("bad Digest header")
        quoted = match[2]
        found.setdefault(match[1].lower(), _ESCAPE.sub(r"\1", quoted) if quoted is not None else match[3])
        position = match.end()
    return found


def parse_challenge(text: str) -> Challenge | None:
    """A challenge; None where it is of a scheme, an algorithm or a qop that we have not got."""
    try:
        parameters = parse_parameters(text)
    except MalformedMessage:
        return None
    algorithm = parameters.get("algorithm", "")
    qop = [choice.strip().lower() for choice in parameters["qop"].split(",")] if "qop" in parameters else []
    if (algorithm.upper() or "MD5") not in _ALGORITHMS or "nonce" not in parameters or (qop and "auth" not in qop):
        return None
    return Challenge(
        realm=parameters.get("realm", ""),
        nonce=parameters["nonce"],
        algorithm=algorithm,
        opaque=parameters.get("opaque", ""),
        stale=parameters.get("stale", "").lower() == "true",
        qop=bool(qop),
    )


def best_challenge(fields: list[str]) -> Challenge | None:
    """The challenge to answer: the first with SHA-256, else the first that can be answered (RFC 7616 clause 3.7
    leaves the choice to the client, RFC 8760 clause 2.4 has the topmost supported one; servers put the best first)."""
    return next((found for field in fields if (found := parse_challenge(field)) is not None), None)


def not_understood(fields: list[str]) -> str:
    """In words, why none of these challenges can be answered."""
    if not fields:
        return "the answer has no challenge"
    reasons = []
    for field in fields:
        try:
            parameters = parse_parameters(field)
        except MalformedMessage:
            reasons.append(f"scheme {field.strip().partition(' ')[0][:40]!r} or a header that cannot be read")
            continue
        named = [f"{name} {parameters[name][:40]!r}" for name in ("algorithm", "qop") if name in parameters]
        reasons.append(", ".join(named if "nonce" in parameters else [*named, "no nonce"]))
    return f"the challenge is not understood: {'; '.join(reasons[:_TOLD])}"


def digest_response(
    *,
    algorithm: str,
    username: str,
    realm: str,
    password: str,
    method: str,
    uri: str,
    nonce: str,
    nc: str = "",
    cnonce: str = "",
) -> str:
    """The ``response`` value: with qop auth where ``nc`` is given, else as RFC 2069.

    Raises:
        KeyError: the algorithm is neither MD5 nor SHA-256.
    """
    name = _ALGORITHMS[algorithm.upper() or "MD5"]
    secret = _hash(name, f"{username}:{realm}:{password}")
    target = _hash(name, f"{method}:{uri}")
    if nc:
        return _hash(name, f"{secret}:{nonce}:{nc}:{cnonce}:auth:{target}")
    return _hash(name, f"{secret}:{nonce}:{target}")


def _hash(name: str, text: str) -> str:
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def quote(text: str) -> str:
    """Text as a quoted-string of RFC 3261 clause 25.1."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
