"""Asking for and checking digest credentials."""

import hmac
from collections import OrderedDict
from collections.abc import Iterable, Sequence, Set
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
ALGORITHMS: Final = ("SHA-256", "MD5")
"""Those that can be offered."""
_ALL_USES: Final = 1 << 32
"""More than a nonce count of eight digits."""
NONCES: Final = 10_000
"""Counts remembered; past this the oldest are forgotten. A handful of phones uses a few dozen."""


class Verdict(Enum):
    """What the credentials of one request are worth."""

    MISSING = auto()
    """The request has no credentials for our realm."""
    WRONG = auto()
    STALE = auto()
    """The nonce cannot be taken, whatever the password: too old, not given to this address, or its count used before.
    Nothing is said of a password that comes with one, or guesses could be tried without ever being counted as such."""
    WITHOUT_QOP = auto()
    """They answer our challenge without ``qop``, which is not allowed to this user. The password is not looked at."""
    RIGHT = auto()


class DigestServer:
    """The nonces of one realm and its users."""

    __slots__ = ("_algorithms", "_counts", "_randomness", "_realm", "_secret", "_users", "_without_qop")

    def __init__(
        self,
        realm: str,
        users: Iterable[Credentials],
        randomness: Randomness,
        algorithms: Sequence[str] = ALGORITHMS,
        *,
        without_qop: bool = False,
    ) -> None:
        """``algorithms`` are offered to users who have none of their own; ``without_qop``: all may answer so."""
        self._realm: Final = realm
        self._users: dict[str, Credentials] = {}
        self._algorithms: Final = algorithms
        self._without_qop: Final = without_qop
        self.use(users)
        self._randomness: Final = randomness
        self._secret: Final = randomness.nonce().encode()
        self._counts: OrderedDict[str, int] = OrderedDict()
        """Nonce to the highest count seen, only of those that somebody with a password has used: asking for challenges
        costs us no memory."""

    def use(self, users: Iterable[Credentials]) -> None:
        """Know these users from now on."""
        self._users = {user.username: user for user in users}

    @property
    def users(self) -> Set[str]:
        """The names of the users."""
        return self._users.keys()

    def knows(self, user: str) -> bool:
        """Whether there is such a user."""
        return user in self._users

    def challenge(self, *, proxy: bool, stale: bool, user: str, host: str, now: float) -> Headers:
        """Headers of a 401 or, as a proxy, 407: a challenge by each algorithm of ``user``, in its order (RFC 8760).
        ``host`` is whom it is sent to: the nonce is of use to nobody else, so that a failed login's source is who asked
        and no address that somebody made up."""
        nonce = self._sealed(f"{int(now * 1000):x}.{self._randomness.tag()}", host)
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        rest = f'realm={quote(self._realm)}, nonce="{nonce}", qop="auth"' + (", stale=true" if stale else "")
        return [(name, f"Digest {rest}, algorithm={algorithm}") for algorithm in self._algorithms_of(user)]

    def _algorithms_of(self, user: str) -> Sequence[str]:
        known = self._users.get(user)
        return known.algorithms if known is not None and known.algorithms else self._algorithms

    def check(self, request: Request, host: str, now: float) -> tuple[Verdict, str]:
        """What a request's credentials from ``host`` are worth, and whose they say they are (empty for MISSING).

        Raises:
            MalformedMessage: Digest credentials that cannot be read: 400.
        """
        for name in ("authorization", "proxy-authorization"):
            for field in request.get_all(name):
                if not field[:7].lower().startswith("digest"):
                    continue
                parameters = parse_parameters(field)
                if parameters.get("realm") == self._realm:
                    return self._check(parameters, request.method, host, now)
        return Verdict.MISSING, ""

    def _check(self, parameters: dict[str, str], method: str, host: str, now: float) -> tuple[Verdict, str]:
        try:
            user = parameters["username"]
            nonce, uri, given = parameters["nonce"], parameters["uri"], parameters["response"]
            nc = cnonce = ""
            if parameters.get("qop", "").lower() == "auth":
                nc, cnonce = parameters["nc"], parameters["cnonce"]
            count = int(nc, 16) if nc else 0
        except (KeyError, ValueError):
            raise MalformedMessage("Digest credentials without a parameter they need") from None
        known = self._users.get(user)
        if not nc:
            # Nothing in them tells one use from the next (RFC 2617 clause 3.2.2): the nonce's first use is its last.
            count = _ALL_USES if nonce not in self._counts else 0
        if not self._fresh(nonce, host, now) or count <= self._counts.get(nonce, 0):
            return Verdict.STALE, user
        if not nc and not (self._without_qop or (known is not None and known.without_qop)):
            # We always offer qop: credentials without it could be replayed for the nonce's whole life. To ask again
            # would bring the same answer.
            return Verdict.WITHOUT_QOP, user
        algorithm = parameters.get("algorithm", "")
        if (algorithm.upper() or "MD5") not in self._algorithms_of(user):
            # Not offered to this user: a weaker one than was asked for is no login.
            return Verdict.WRONG, user
        # The hash is made for an unknown user too, so that the time tells nobody who exists.
        expected = digest_response(
            algorithm=algorithm,
            username=user,
            realm=self._realm,
            password=known.password if known is not None else "",
            method=method,
            uri=uri,
            nonce=nonce,
            nc=nc,
            cnonce=cnonce,
        )
        if not hmac.compare_digest(expected.encode(), given.lower().encode()) or known is None:
            return Verdict.WRONG, user
        self._counts[nonce] = count
        while len(self._counts) > NONCES:
            self._counts.popitem(last=False)
        return Verdict.RIGHT, user

    def _sealed(self, text: str, host: str) -> str:
        return f"{text}.{hmac.digest(self._secret, f'{text} {host}'.encode(), 'sha256').hex()[:32]}"

    def _fresh(self, nonce: str, host: str, now: float) -> bool:
        text, _, _ = nonce.rpartition(".")
        if not hmac.compare_digest(self._sealed(text, host).encode(), nonce.encode()):
            return False
        return now - int(text.partition(".")[0], 16) / 1000 <= NONCE_SECONDS
