"""What the tests against a real FreeSWITCH share; docs/freeswitch.md says how it is set up."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from sipio.sip.events import SessionAnswered
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import tone

FREESWITCH: Final = os.environ.get("TEST_FREESWITCH", "")
"""``host:port`` of its sofia profile; empty for none."""
needs_freeswitch = pytest.mark.skipif(not FREESWITCH, reason="TEST_FREESWITCH names no FreeSWITCH")
SIDECAR_PORT: Final = 8084
"""Where its dialplan connects to."""
ONE, TWO = 25_071, 25_072
"""Ports of the two gateways in its dialplan's candidates."""
DRIVERS: Final = ("sip", "freeswitch")
"""The embedded agent is called as well: what FreeSWITCH makes of a script is what the agent does."""

RINGBACK, SECOND, PROMPT, TALK, EARLY, SAID = 700, 1_300, 500, 1_000, 850, 600
"""Hz: of the sounds of `live_daemon`, of what the called say after and before they answer, of what the caller says."""


class Switch(NamedTuple):
    """What the caller calls: one of `DRIVERS`."""

    daemon: VoiceDaemon
    scripts: Mapping[str, str]
    driver: str

    def uri(self, script: str) -> str:
        return freeswitch_uri(self.scripts, script) if self.driver == "freeswitch" else self.daemon.uri(script)

    def call(self, caller: Phone, script: str, *destinations: str) -> FarCall:
        return caller.call(self.uri(script), headers=[("X-To", " ".join(destinations))])

    async def record(self, made: FarCall) -> dict[str, Any]:
        return await asyncio.to_thread(self.daemon.record, made.id)


def _number(scripts: Mapping[str, str], script: str) -> str:
    return str(7_101 + list(scripts).index(script))


def freeswitch_uri(scripts: Mapping[str, str], script: str) -> str:
    """What to call to have FreeSWITCH ask for a script of `live_daemon`."""
    return f"sip:{_number(scripts, script)}@{FREESWITCH}"


@contextmanager
def live_daemon(directory: Path, scripts: Mapping[str, str]) -> Iterator[VoiceDaemon]:
    """A daemon that serves FreeSWITCH and calls of its own agent: each script by its name and by a number 7xxx."""
    made = VoiceDaemon(
        directory,
        scripts,
        voice="bridge_seconds = 2",
        more=f'[freeswitch]\nlisten = "127.0.0.1:{SIDECAR_PORT}"\n',
        routes="".join(
            f'[[destination]]\ndestination = "{_number(scripts, name)}"\nscript = "{name}"\ncustomer = "acme"\n'
            for name in scripts
        ),
    )
    for name, frequency, seconds in (
        ("ringback", RINGBACK, 0.3),
        ("second", SECOND, 0.3),
        ("prompt", PROMPT, 0.4),
        ("long", PROMPT, 3.0),
    ):
        write_wav(made.sounds / "ivr" / f"{name}.wav", tone(frequency, seconds))
    try:
        yield made.ready()
    finally:
        made.stop()


@asynccontextmanager
async def parties() -> AsyncIterator[tuple[Phone, Phone, Phone]]:
    """The caller's phone and two to be called."""
    async with phone("127.0.0.71") as caller, phone("127.0.0.72") as one, phone("127.0.0.73") as two:
        yield caller, one, two


def ring(rung: FarCall) -> None:
    """For ``on_call``: let it ring."""
    rung.session.ring()


async def until_connected(made: FarCall, other: FarCall, directory: Path) -> None:
    """Return once each hears the other; both go on to speak."""
    await made.wait_for(SessionAnswered)
    made.play_on(write_wav(directory / "said.wav", tone(SAID, 0.5)))
    other.play_on(write_wav(directory / "talk.wav", tone(TALK, 0.5)))
    await made.until_heard(TALK)
    await other.until_heard(SAID)


async def answer_talk_hang_up(made: FarCall, other: FarCall, directory: Path) -> None:
    """Have the called party answer, speak until it is heard, and hang up."""
    other.session.accept(other.local)
    other.play_on(write_wav(directory / "talk.wav", tone(TALK, 0.5)))
    await made.until_heard(TALK)
    other.session.bye()
