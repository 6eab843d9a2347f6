"""Kamailio: the evapi sockets that the daemon connects to, for decisions."""

from collections.abc import Sequence

from sidecar.configuration.tree import KamailioSection
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sipio.held_socket import HeldSocket
from sipio.kamailio.client import KamailioClient
from sipio.kamailio.limits import KamailioLimits
from sipio.kamailio.messages import CallEnded
from sipio.kamailio.snapshot import KamailioSnapshot
from sipio.routing import Router

_log = ActionLogger(__name__)


class KamailioPart:
    """The part of the daemon that serves `sipio.kamailio`."""

    name = "kamailio"
    drain_seconds = 0.0

    def __init__(self, section: KamailioSection, router: Router) -> None:
        self._peers = section.peers
        self._held: Sequence[HeldSocket] = ()
        self._client = KamailioClient(section.peers, router, kamailio_limits(section), on_call_ended=_call_ended)

    async def start(self) -> None:
        """Begin to connect. A Kamailio that is not there yet is tried again and again."""
        held, self._held = self._held, ()
        self._client.start(held)

    def refuse_calls(self) -> None:
        """Nothing: what a Kamailio asks are decisions."""

    def stop_accepting(self) -> None:
        """Have every Kamailio send its calls elsewhere."""
        self._client.drain()

    def take(self, held: Sequence[HeldSocket]) -> None:
        """Go on with these connections in `start`."""
        self._held = held

    def hold(self) -> None:
        """Read nothing more from any Kamailio."""
        self._client.hold()

    def resume(self) -> None:
        """Read again."""
        self._client.resume()

    @property
    def at_rest(self) -> bool:
        """Whether no Kamailio waits for the answer to what was read."""
        return self._client.at_rest

    def hand_over(self) -> Sequence[HeldSocket]:
        """The connections."""
        return self._client.hand_over()

    def let_go(self) -> None:
        """Give up the connections."""
        self._client.let_go()

    async def drain(self) -> None:
        """What a Kamailio asks are decisions, and they drain."""

    def cancel_rest(self) -> None:
        """What a Kamailio asks are decisions, and they end."""

    async def close(self) -> None:
        """Write out what was answered, then close."""
        for one in self._held:  # it was never started
            one.discard()
        await self._client.close()

    def state(self) -> PartState:
        """Which Kamailios it is for."""
        return PartState(addresses=[str(peer) for peer in self._peers])

    def snapshots(self) -> list[KamailioSnapshot]:
        """What is counted of each Kamailio."""
        return self._client.snapshot()


def kamailio_limits(section: KamailioSection) -> KamailioLimits:
    """The caps of a connection as the operator configured them."""
    return KamailioLimits(
        reconnect_min_seconds=section.reconnect_min_seconds,
        reconnect_max_seconds=section.reconnect_max_seconds,
        frame_bytes=section.frame_bytes,
        in_flight=section.in_flight,
    )


def _call_ended(peer: str, ended: CallEnded) -> None:
    _log.info(
        "call_ended",
        kamailio=peer,
        call_id=ended.call_id,
        customer=ended.customer,
        answered=ended.answered,
        started=ended.started,
        seconds=ended.seconds,
    )
