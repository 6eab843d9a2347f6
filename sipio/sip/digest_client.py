"""Challenges by digest, answered (RFC 7616, RFC 3261 clause 22)."""

from typing import Final

from sipio.sip.digest import Challenge, best_challenge, digest_response, not_understood, quote
from sipio.sip.message import Response
from sipio.sip.randomness import Randomness
from sipio.sip.serialize import Headers
from sipio.sip.settings import Credentials

ATTEMPTS: Final = 3
"""Challenges answered for one request: a proxy's, a server's, and one stale nonce between them."""


class DigestClient:
    """The challenges met for one series of requests (a call, a registration) and how often each nonce was used."""

    __slots__ = ("_answered", "_challenges", "_counts", "_credentials", "_randomness", "_tried", "unmet")

    def __init__(self, credentials: Credentials | None, randomness: Randomness) -> None:
        self._credentials: Final = credentials
        self._randomness: Final = randomness
        self._challenges: dict[str, Challenge] = {}
        """The newest challenge, by the name of the header that answers it (Authorization, Proxy-Authorization)."""
        self._counts: dict[str, int] = {}
        self._answered = 0
        self._tried: set[str] = set()
        """Headers given since a request last passed."""
        self.unmet = ""
        """In words, why the last challenge was not answered: for the operator, who can do something about it."""

    def challenged(self, response: Response) -> bool:
        """A 401 or 407 has come. Whether it is worth trying again; not where the same password failed already."""
        credentials = self._credentials
        if credentials is None:
            self.unmet = "no user name and password are configured for it"
            return False
        proxy = response.status == 407
        fields = response.get_all("proxy-authenticate" if proxy else "www-authenticate")
        challenge = best_challenge(fields)
        if challenge is None:
            self.unmet = not_understood(fields)
            return False
        if credentials.realm and credentials.realm != challenge.realm:
            self.unmet = f"it is for the realm {challenge.realm[:80]!r}, the password for {credentials.realm!r}"
            return False
        header = "Proxy-Authorization" if proxy else "Authorization"
        # A further challenge that is not called stale says that the password was wrong (RFC 7616 clause 3.3).
        wrong = header in self._tried and not challenge.stale and self._challenges[header].realm == challenge.realm
        if wrong or self._answered >= ATTEMPTS:
            self.unmet = "the password was not taken"
            return False
        self._answered += 1
        self._tried.add(header)
        self._challenges[header] = challenge
        return True

    def succeeded(self) -> None:
        """The request passed: a later challenge is a new matter, whether its nonce is called stale or not."""
        self._answered = 0
        self._tried.clear()
        if len(self._counts) > len(self._challenges):
            self._counts = {
                challenge.nonce: self._counts.get(challenge.nonce, 0) for challenge in self._challenges.values()
            }

    def headers(self, method: str, uri: str) -> Headers:
        """What authorises a request; empty before the first challenge."""
        return [(name, self._authorization(challenge, method, uri)) for name, challenge in self._challenges.items()]

    def _authorization(self, challenge: Challenge, method: str, uri: str) -> str:
        credentials = self._credentials
        if credentials is None:
            raise AssertionError("a challenge is only kept where there are credentials")
        count = self._counts.get(challenge.nonce, 0) + 1
        self._counts[challenge.nonce] = count
        nc = f"{count:08x}" if challenge.qop else ""
        cnonce = self._randomness.tag() if challenge.qop else ""
        response = digest_response(
            algorithm=challenge.algorithm,
            username=credentials.username,
            realm=challenge.realm,
            password=credentials.password,
            method=method,
            uri=uri,
            nonce=challenge.nonce,
            nc=nc,
            cnonce=cnonce,
        )
        parts = [
            f"username={quote(credentials.username)}",
            f"realm={quote(challenge.realm)}",
            f"nonce={quote(challenge.nonce)}",
            f"uri={quote(uri)}",
            f'response="{response}"',
        ]
        if challenge.algorithm:
            parts.append(f"algorithm={challenge.algorithm}")
        if challenge.opaque:
            parts.append(f"opaque={quote(challenge.opaque)}")
        if challenge.qop:
            parts += ["qop=auth", f"nc={nc}", f'cnonce="{cnonce}"']
        return "Digest " + ", ".join(parts)
