"""Asking for and checking digest credentials."""

import hmac
from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.digest import digest_response, parse_parameters, quote
from sipio.sip.message import Request
from sipio.sip.randomness import Randomness
from sipio.sip.serialize import Headers
from sipio.sip.settings import Credentials

NONCE_SECONDS: Final = 300.0
"""A nonce is good for this long; past it the client is told ``stale`` and tries again without asking its user."""
NONCES: Final = 10_000
"""Counts remembered; past this the oldest are forgotten. A handful of phones uses a few dozen."""


class Verdict(Enum):
    """What the credentials of one request are worth."""

    MISSING = auto()
    """The request has no credentials for our realm."""
    WRONG = auto()
    STALE = auto()
    """The password is right, the nonce is not: too old, unknown, or its count used before."""
    RIGHT = auto()


class DigestServer:
    """The nonces of one realm and its users."""

    __slots__ = ("_counts", "_randomness", "_realm", "_secret", "_users")

    def __init__(self, realm: str, users: Iterable[Credentials], randomness: Randomness) -> None:
        self._realm: Final = realm
        self._users: Final = {user.username: user.password for user in users}
        self._randomness: Final = randomness
        self._secret: Final = randomness.nonce().encode()
        self._counts: OrderedDict[str, int] = OrderedDict()
        """Nonce to the highest count seen, only of those that somebody with a password has used: asking for challenges
        costs us no memory."""

    def knows(self, user: str) -> bool:
        """Whether there is such a user."""
        return user in self._users

    def challenge(self, *, proxy: bool, stale: bool, now: float) -> Headers:
        """Headers of a 401 or, as a proxy, 407: SHA-256 first, then MD5 for those that know no better (RFC 8760)."""
        nonce = self._sealed(f"{int(now * 1000):x}.{self._randomness.tag()}")
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        rest = f'realm={quote(self._realm)}, nonce="{nonce}", qop="auth"' + (", stale=true" if stale else "")
        return [(name, f"Digest {rest}, algorithm={algorithm}") for algorithm in ("SHA-256", "MD5")]

    def check(self, request: Request, now: float) -> tuple[Verdict, str]:
        """What a request's credentials are worth, and whose they are (empty unless RIGHT).

        Raises:
            MalformedMessage: Digest credentials that cannot be read: 400.
        """
        for name in ("authorization", "proxy-authorization"):
            for field in request.get_all(name):
                if not field[:7].lower().startswith("digest"):
                    continue
                parameters = parse_parameters(field)
                if parameters.get("realm") == self._realm:
                    return self._check(parameters, request.method, now)
        return Verdict.MISSING, ""

    def _check(self, parameters: dict[str, str], method: str, now: float) -> tuple[Verdict, str]:
        try:
            user = parameters["username"]
            nonce, uri, given = parameters["nonce"], parameters["uri"], parameters["response"]
            nc = cnonce = ""
            if parameters.get("qop", "").lower() == "auth":
                nc, cnonce = parameters["nc"], parameters["cnonce"]
            count = int(nc or "0", 16)
        except (KeyError, ValueError):
            raise MalformedMessage("Digest credentials without a parameter they need") from None
        password = self._users.get(user)
        algorithm = parameters.get("algorithm", "")
        if algorithm.upper() not in {"", "MD5", "SHA-256"}:
            return Verdict.WRONG, ""
        # The hash is made for an unknown user too, so that the time tells nobody who exists.
        expected = digest_response(
            algorithm=algorithm,
            username=user,
            realm=self._realm,
            password=password if password is not None else "",
            method=method,
            uri=uri,
            nonce=nonce,
            nc=nc,
            cnonce=cnonce,
        )
        if not hmac.compare_digest(expected.encode(), given.lower().encode()) or password is None:
            return Verdict.WRONG, ""
        # We always offer qop: credentials without it could be replayed for the nonce's whole life.
        if not self._fresh(nonce, now) or not nc or count <= self._counts.get(nonce, 0):
            return Verdict.STALE, ""
        self._counts[nonce] = count
        while len(self._counts) > NONCES:
            self._counts.popitem(last=False)
        return Verdict.RIGHT, user

    def _sealed(self, text: str) -> str:
        return f"{text}.{hmac.digest(self._secret, text.encode(), 'sha256').hex()[:32]}"

    def _fresh(self, nonce: str, now: float) -> bool:
        text, _, _ = nonce.rpartition(".")
        if not hmac.compare_digest(self._sealed(text).encode(), nonce.encode()):
            return False
        return now - int(text.partition(".")[0], 16) / 1000 <= NONCE_SECONDS
