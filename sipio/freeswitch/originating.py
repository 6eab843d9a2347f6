"""A call that FreeSWITCH is asked to place, over its inbound event socket; one connection for each, until its party has
answered or will not. What answers comes to our own listener, as any call does, and is known there by its id."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable
from typing import Final

from sipio.call_control import CallControl, CallObserver, CallOffer, Origination, OriginationObserver
from sipio.causes import cause_of, status_of
from sipio.errors import PeerError
from sipio.freeswitch import commands
from sipio.freeswitch.bridging import code_of
from sipio.freeswitch.commands import UnsafeText
from sipio.freeswitch.dial import DialError, dial_string
from sipio.freeswitch.event_socket import CommandReply, Event, FrameReader, Ignored, Incoming, understand
from sipio.freeswitch.settings import FreeswitchSettings, InboundSocket
from sipio.reasons import reason_phrase

PLACED: Final = "scriptforge_placed"
"""The channel variable with the id that a placed call is known by."""
LOGIN_SECONDS: Final = 5.0
"""FreeSWITCH lets in, or not, at once."""
ARRIVAL_SECONDS: Final = 5.0
"""From the party's answer to the call at our listener; FreeSWITCH connects at once."""
KILL_SECONDS: Final = 0.2
"""The wait between two attempts to end a leg that does not exist yet."""
KILLS: Final = 25
_READ_BYTES: Final = 65_536
_NO_ANSWER: Final = 408
_UNAVAILABLE: Final = 503
_UNDIALLED: Final = 404
_SAFE: Final = re.compile(r"[A-Za-z0-9_.+*#@-]*")
"""What may stand as a value between the braces of a dial string, in which ``,`` and ``}`` mean more."""


class CannotPlace(PeerError):
    """FreeSWITCH does not take what it is asked."""


class FreeswitchOriginating:
    """A `PendingOrigination`."""

    def __init__(
        self,
        uuid: str,
        origination: Origination,
        observer: OriginationObserver,
        settings: FreeswitchSettings,
        over: Callable[["FreeswitchOriginating"], None],
    ) -> None:
        """``uuid`` becomes the channel's. ``over`` is told once nothing more is expected of it."""
        self.uuid: Final = uuid
        self._origination = origination
        self._observer: OriginationObserver | None = observer
        self._settings = settings
        self._over = over
        self._given_up = asyncio.Event()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Ask FreeSWITCH."""
        inbound = self._settings.inbound
        if inbound is None:
            self._not_begun(_UNAVAILABLE, "no event socket of a FreeSWITCH is configured")
            return
        try:
            command = self._command(inbound)
        except DialError as error:
            self._not_begun(_UNDIALLED, str(error))
        except UnsafeText as error:
            self._not_begun(400, str(error))
        else:
            self._task = asyncio.get_running_loop().create_task(self._place(inbound, command))

    def _not_begun(self, code: int, reason: str) -> None:
        self._over(self)
        self._refused(code, reason)

    def stop(self) -> None:
        """Give it up."""
        self._observer = None
        self._given_up.set()

    async def close(self) -> None:
        """Leave it: the connection closes, and FreeSWITCH goes by itself from there."""
        self._observer = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def arrived(self, call: CallControl) -> CallObserver | None:
        """The party has answered and the call is at our listener; None where it was given up."""
        observer, self._observer = self._observer, None
        self._arrived.set()
        return observer.answered(call) if observer is not None else None

    def offer(self, offer: CallOffer) -> CallOffer:
        """The call as the handler sees it, of what FreeSWITCH says of its channel."""
        origination = self._origination
        return CallOffer(
            id=origination.id,
            driver=offer.driver,
            # Of a call to be driven whoever is at its end is the caller: here it is who was called.
            from_user=origination.destination.rpartition("/")[2],
            to_user=origination.cli,
            customer=origination.customer,
            source=offer.source,
            variables=offer.variables,
        )

    # ---- over its connection ----

    def _command(self, inbound: InboundSocket) -> bytes:
        origination = self._origination
        for text in (origination.cli, origination.customer):
            if _SAFE.fullmatch(text) is None:
                raise UnsafeText(f"{text[:80]!r} cannot be given to FreeSWITCH")
        variables = {
            "origination_uuid": self.uuid,
            PLACED: self.uuid,
            "scriptforge_customer": origination.customer,
            "origination_caller_id_number": origination.cli,
            # The timer here is the limit, and FreeSWITCH's own, which counts whole seconds of the clock, stands behind.
            "originate_timeout": str(math.ceil(origination.timeout_seconds) + 2),
            # Else the first 183 counts as the answer.
            "ignore_early_media": "true",
            # Else a party that answers 302 has FreeSWITCH call any number at our cost.
            "outbound_redirect_fatal": "true",
        }
        given = ",".join(f"{name}={value}" for name, value in variables.items() if value)
        dial = dial_string(origination.destination, self._settings)
        back = f"{inbound.callback.host}:{inbound.callback.port}"
        return commands.background(f"originate {{{given}}}{dial} '&socket({back} async full)'", self.uuid)

    async def _place(self, inbound: InboundSocket, command: bytes) -> None:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                reader, writer = await asyncio.open_connection(inbound.address.host, inbound.address.port)
                frames = _frames(reader)
                await _log_in(frames, writer, inbound.password)
                await _asked(frames, writer, commands.line(f"filter Job-UUID {self.uuid}"))
                await _asked(frames, writer, commands.line("event plain BACKGROUND_JOB"))
                if self._given_up.is_set():
                    return
                await _asked(frames, writer, command)
            await self._await_job(frames, writer)
        except TimeoutError:
            self._refused(_UNAVAILABLE, "FreeSWITCH does not answer")
        except (OSError, PeerError) as error:
            self._refused(_UNAVAILABLE, f"FreeSWITCH's event socket: {error}")
        finally:
            if writer is not None:
                writer.close()
            self._over(self)

    async def _await_job(self, frames: AsyncIterator[Incoming], writer: asyncio.StreamWriter) -> None:
        job = asyncio.ensure_future(_job(frames, self.uuid))
        given_up = asyncio.ensure_future(self._given_up.wait())
        seconds = self._origination.timeout_seconds
        try:
            await asyncio.wait((job, given_up), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                self._refused(_NO_ANSWER, "no answer")
                for _ in range(KILLS):
                    # What was sent to make the leg is on its way through FreeSWITCH: it may not exist yet.
                    writer.write(commands.line(f"bgapi uuid_kill {self.uuid} ORIGINATOR_CANCEL"))
                    await asyncio.wait((job,), timeout=KILL_SECONDS)
                    if job.done():
                        break
            if job.done():
                await self._placed(job.result())
        finally:
            for task in (job, given_up):
                task.cancel()
            await asyncio.gather(job, given_up, return_exceptions=True)

    async def _placed(self, said: str) -> None:
        """The job is over: it has answered, or will not."""
        if not said.startswith("+OK"):
            cause = said.removeprefix("-ERR").strip()
            code = code_of(cause) or status_of(cause_of(cause) or 31)
            self._refused(code, reason_phrase(code))
            return
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                await self._arrived.wait()
        except TimeoutError:
            self._refused(_UNAVAILABLE, "FreeSWITCH did not bring the call (freeswitch.callback)")

    def _refused(self, code: int, reason: str) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.refused(code, reason)


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[Incoming]:
    """What FreeSWITCH says. Raises PeerError where it is not what FreeSWITCH sends, or ends."""
    read = FrameReader()
    while data := await reader.read(_READ_BYTES):
        for frame in read.receive(data):
            yield understand(frame)
    raise CannotPlace("the connection was closed")


async def _log_in(frames: AsyncIterator[Incoming], writer: asyncio.StreamWriter, password: str) -> None:
    async for incoming in frames:
        if isinstance(incoming, Ignored):
            if incoming.content_type == "auth/request":
                break
            raise CannotPlace(f"it says {incoming.content_type[:40]!r} and asks for no password")
    reply = await _asked(frames, writer, commands.line(f"auth {password}"))
    if not reply.accepted:
        raise CannotPlace("the password is not taken")


async def _asked(frames: AsyncIterator[Incoming], writer: asyncio.StreamWriter, command: bytes) -> CommandReply:
    writer.write(command)
    async for incoming in frames:
        if isinstance(incoming, CommandReply):
            return incoming
    raise CannotPlace("the connection was closed")


async def _job(frames: AsyncIterator[Incoming], uuid: str) -> str:
    """What came of the command that was given this Job-UUID."""
    async for incoming in frames:
        if isinstance(incoming, Event) and incoming.name == "BACKGROUND_JOB" and incoming.get("Job-UUID") == uuid:
            return incoming.body.decode(errors="replace").strip()
    raise CannotPlace("the connection was closed")
