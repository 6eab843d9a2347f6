"""What scripts write to their console, to whoever follows it now: the method ``console.follow`` of the sockets.

Nothing is kept and nothing is made for a follower that is not there. One that reads too slowly, or a script that writes
too much, loses lines and is told how many; a decision waits for neither.
"""

import re
import time
from collections.abc import Callable, Collection
from typing import Annotated, Final

import msgspec

from sipio.rpc.errors import ConnectionLost, ErrorCode
from sipio.rpc.peer import RpcPeer
from sipio.rpc.service import Method, Responder

FOLLOW: Final = "console.follow"
LINE: Final = "console.line"

_SUFFIX: Final = re.compile(r"\.(?:js|mjs|ts)$")

FOLLOWERS: Final = 16
"""At once; each line costs 5 us for each who wants it."""
LINES_A_SECOND: Final = 1_000
"""To one follower: more than a person reads, and 5 ms of the event loop's second."""
TEXT_CHARACTERS: Final = 2_000
"""Of one line; a second of the longest fits the 8 MiB that a socket holds for who does not read."""
NAMED: Final = 20
"""Scripts named to who asks for one that is not there."""


class Follow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is followed."""

    script: str = ""
    """The script's id, or its id and ``.js``, ``.mjs`` or ``.ts``; empty for every script."""


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `Follow`."""

    script: str
    """The id of the script followed; empty for all."""


class ConsoleLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line."""

    at: float
    """Unix time at which the daemon had it."""
    call_id: str
    script: str
    level: str
    """``log``, ``info``, ``warn``, ``error`` or ``debug``; ``failed`` for how a run ended that failed."""
    text: str
    lost: int = 0
    """Lines before this one that were not sent, since they came too fast."""


class _Follower:
    __slots__ = ("lost", "script", "second", "sent")

    def __init__(self, script: str) -> None:
        self.script = script
        self.second = 0
        self.sent = 0
        self.lost = 0


class ConsoleFeed:
    """Those who follow, and the lines for them. ``scripts`` gives the ids of the catalog."""

    def __init__(self, scripts: Callable[[], Collection[str]], clock: Callable[[], float] = time.time) -> None:
        self._scripts = scripts
        self._clock = clock
        self._followers: dict[RpcPeer, _Follower] = {}
        self.methods = {
            FOLLOW: Method(
                Annotated[list[Follow], msgspec.Meta(max_length=1)],
                self._follow,
                immediate=True,
            )
        }
        """What a socket is to serve."""

    @property
    def followed(self) -> bool:
        """Whether anybody wants lines: to be asked before one is made."""
        return bool(self._followers)

    def write(self, call_id: str, script: str, level: str, text: str) -> None:
        """Give a line to those who want it."""
        now = self._clock()
        for peer, follower in list(self._followers.items()):
            if follower.script not in ("", script):
                continue
            if follower.second != int(now):
                follower.second, follower.sent = int(now), 0
            if follower.sent >= LINES_A_SECOND:
                follower.lost += 1
                continue
            follower.sent += 1
            lost, follower.lost = follower.lost, 0
            line = ConsoleLine(
                at=now, call_id=call_id, script=script, level=level, text=text[:TEXT_CHARACTERS], lost=lost
            )
            try:
                peer.notify(LINE, (line,))
            except ConnectionLost:
                self._leave(peer)

    def _follow(self, params: list[Follow], responder: Responder) -> None:
        wanted = params[0].script if params else ""
        known = self._scripts()
        script = wanted if wanted in known else _SUFFIX.sub("", wanted)
        if script and script not in known:
            names = sorted(known)
            shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
            responder.error(ErrorCode.BAD_REQUEST, f"there is no script {wanted[:64]!r}; there are {shown or 'none'}")
            return
        peer = responder.peer
        if peer not in self._followers:
            if len(self._followers) >= FOLLOWERS:
                responder.error(ErrorCode.OVERLOADED, f"{FOLLOWERS} follow already")
                return
            peer.ended.add_done_callback(lambda _ended: self._leave(peer))
        self._followers[peer] = _Follower(script)
        responder.result(Following(script=script))

    def _leave(self, peer: RpcPeer) -> None:
        self._followers.pop(peer, None)
