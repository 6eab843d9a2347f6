"""One connection of FreeSWITCH, from ``connect`` to its end. Sans-IO.

The shell gives it bytes and the loss of the connection, runs `expire` at `deadline`, and writes what `take` gives.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from sipio.call_control import CallHandler, Hangup
from sipio.causes import NAMES, status_of
from sipio.egress import OwnRoute, Refusal
from sipio.errors import LocalError, MalformedMessage, PeerError
from sipio.freeswitch import commands
from sipio.freeswitch.answer import Route, read_answer
from sipio.freeswitch.call import FreeswitchCall
from sipio.freeswitch.channel import Channel
from sipio.freeswitch.event_socket import (
    ApiResponse,
    ChannelData,
    CommandReply,
    DisconnectNotice,
    Event,
    FrameReader,
    Incoming,
    understand,
)
from sipio.freeswitch.leg import Environment
from sipio.freeswitch.offer import Arrival, Mode, read_arrival
from sipio.freeswitch.originating import PLACED, FreeswitchOriginating
from sipio.freeswitch.question import DialplanCandidate, read_candidates, read_question
from sipio.freeswitch.timers import CallTimers
from sipio.reasons import reason_phrase
from sipio.routing import Decision, Pending, Router

CONNECT_SECONDS: Final = 5.0
"""The longest wait from the connection to the call's data; FreeSWITCH answers ``connect`` at once."""
_LOST: Final = "the event socket was lost"
FAILOVER: Final = "scriptforge_failover"
"""Set by a dialplan that asks another sidecar where this one has no room for a call."""
_OUTCOME: Final = "scriptforge_outcome"
"""By which the dialplan knows that nobody else is to be asked, where a decision says how it ended."""
_STARTED: Final = "started"
_UNAVAILABLE: Final = 503


class Connection:
    """Reads what a call is and gives it to whom it is for."""

    def __init__(
        self,
        environment: Environment,
        handler: CallHandler | None,
        router: Router | None,
        *,
        admit: Callable[[Mode], Hangup | None],
        wake: Callable[[], None],
        placed: Callable[[str], FreeswitchOriginating | None] = lambda _uuid: None,
    ) -> None:
        """``admit`` is asked once, when it is known what the call wants: a `Hangup` refuses it. ``placed`` gives what
        of ours waits for a call of this id."""
        self._environment = environment
        self._handler = handler
        self._router = router
        self._admit = admit
        self._placed = placed
        self._reader = FrameReader()
        self.channel = Channel(wake)
        self.timers = CallTimers(environment.clock, wake)
        self.call: FreeswitchCall | None = None
        self.admitted = False
        """Whether it counts against the limit of calls."""
        self._pending: Pending | None = None
        self._decided = False
        self._fails_over = False
        self.closing = False
        """Whether the shell is to close the connection once everything is written."""
        self._connected = False
        self.channel.send(commands.CONNECT)
        self._timer = self.timers.after(CONNECT_SECONDS, self._never_connected)

    @property
    def deadline(self) -> float | None:
        """When `expire` wants to be called."""
        return self.timers.deadline

    def take(self) -> bytes:
        """What is to be written now."""
        return self.channel.take()

    def receive(self, data: bytes) -> None:
        """Take bytes from FreeSWITCH. Raises PeerError where they are not what it sends; the connection must close."""
        for frame in self._reader.receive(data):
            self._understood(understand(frame))
        self._finish()

    def expire(self) -> None:
        """Do what is due; to be called at `deadline`."""
        self.timers.run()
        self._finish()

    def lost(self, reason: str = _LOST) -> None:
        """End what hangs on the connection, which is gone."""
        self.channel.close()
        self.closing = True
        call, self.call = self.call, None
        if call is not None:
            call.lost(reason)
        pending, self._pending = self._pending, None
        if pending is not None and not self._decided:
            pending.cancel()
        self.timers.close()

    def refuse(self, hangup: Hangup) -> None:
        """Refuse the call with a final answer, or leave it to the dialplan to ask another one, and be done with it."""
        code = hangup.code or status_of(hangup.cause)
        if self._fails_over and code == _UNAVAILABLE:
            self._go_on()
            return
        for name, value in hangup.headers:
            self.channel.set_variable(f"sip_rh_{name}", value)
        self._respond(code, hangup.reason or reason_phrase(code))

    # ---- what FreeSWITCH says ----

    def _understood(self, incoming: Incoming) -> None:
        if isinstance(incoming, Event):
            if self.call is not None:
                self.call.event(incoming)
        elif isinstance(incoming, CommandReply | ApiResponse):
            self.channel.replied(incoming)
            if not self._connected:
                raise MalformedMessage(f"connect was answered with {str(incoming)[:80]!r}")
        elif isinstance(incoming, ChannelData):
            # It answers `connect`, and nothing else.
            self.channel.replied(CommandReply("+OK"))
            if self._connected:
                raise MalformedMessage("channel data twice")
            self._connected = True
            self._timer.cancel()
            self._arrived(read_arrival(incoming.event))
        elif isinstance(incoming, DisconnectNotice):
            if self.call is not None:
                self.call.disconnecting()
            elif self._connected:
                self.closing = True
        if self.channel.stuck:
            raise PeerError("FreeSWITCH does not answer commands")

    def _arrived(self, arrival: Arrival) -> None:
        self.channel.uuid = arrival.uuid
        self._fails_over = arrival.variables.get(FAILOVER) == "true"
        if not arrival.full:
            # Nothing can be driven over it. Closed, the dialplan goes on or the call ends: the operator's mistake.
            self._environment.problem(arrival.uuid, "the dialplan's socket is not `async full`")
            self.closing = True
            return
        refusal = self._admit(arrival.mode)
        self.admitted = refusal is None
        if PLACED in arrival.variables:
            self._take_placed(arrival, refused=refusal is not None)
        elif refusal is not None:
            self.refuse(refusal)
        elif arrival.mode is Mode.CLASS5 and self._handler is not None:
            self._offer(self._handler, arrival)
        elif arrival.mode is Mode.CLASS4 and self._router is not None:
            self._ask(self._router, arrival)
        else:
            self._environment.problem(arrival.uuid, f"{arrival.mode} is not served here")
            self.refuse(Hangup(code=500, reason="Not Served Here", cause=41))

    def _offer(self, handler: CallHandler, arrival: Arrival) -> None:
        call = FreeswitchCall(self._environment, self.channel, arrival, self.timers)
        call.prepare()
        # A handler may perform its first actions before it returns.
        self.call = call
        taken = handler.offered(call)
        if isinstance(taken, Hangup):
            self.call = None
            # Nothing is wanted of FreeSWITCH any more.
            self.channel.discard()
            self.refuse(taken)
            return
        if self._fails_over:
            # The dialplan goes on as well when this process dies, and the script has begun.
            self.channel.set_variable(_OUTCOME, _STARTED)
        call.observe(taken)

    def _take_placed(self, arrival: Arrival, *, refused: bool) -> None:
        """Give a call that was placed to who waits for it; nobody does where it was given up."""
        originating = self._placed(arrival.variables[PLACED])
        if originating is None or refused:
            self.channel.send(commands.hangup(NAMES[16]))
            self.timers.after(self._environment.settings.hangup_seconds, self._close)
            return
        arrival = msgspec.structs.replace(arrival, offer=originating.offer(arrival.offer))
        call = FreeswitchCall(self._environment, self.channel, arrival, self.timers)
        call.prepare()
        self.call = call
        observer = originating.arrived(call)
        if observer is not None:
            call.observe(observer)
        else:
            call.perform(Hangup(cause=16), lambda _result: None)

    # ---- Class 4 ----

    def _ask(self, router: Router, arrival: Arrival) -> None:
        try:
            candidates = read_candidates(arrival.variables.get("scriptforge_candidates", ""))
            request = read_question(arrival, candidates)
            self._pending = router.route(request, lambda decision: self._answer(decision, arrival, candidates))
        except MalformedMessage as error:
            self._environment.problem(arrival.uuid, str(error))
            self._go_on()

    def _answer(self, decision: Decision, arrival: Arrival, candidates: list[DialplanCandidate]) -> None:
        if self._decided:
            return
        self._decided = True
        if not self.channel.open:
            return
        try:
            self._carry_out(read_answer(decision, arrival, candidates), decision)
        except LocalError as error:
            # The dialplan's own routing, and never half a decision.
            self.channel.discard()
            self._environment.problem(arrival.uuid, f"the decision cannot be carried out: {error}")
            self._go_on()
        self._finish()

    def _carry_out(self, answer: Route | Refusal | OwnRoute, decision: Decision) -> None:
        if isinstance(answer, Refusal):
            self.channel.set_variable(_OUTCOME, decision.outcome)
            self._respond(answer.code, answer.reason)
            return
        if isinstance(answer, Route):
            if answer.dropped:
                self._environment.problem(self.channel.uuid, f"{answer.dropped} destinations were not offered")
            for name, value in answer.variables:
                self.channel.set_variable(name, value)
            self.channel.set_variable("scriptforge_bridge", answer.bridge)
        # The last of it: a decision that FreeSWITCH has had half of is none.
        self.channel.set_variable(_OUTCOME, decision.outcome)
        self._go_on()

    def _go_on(self) -> None:
        """Leave the call to its dialplan (``socket_resume``): it does not need us, or asks another one."""
        self.channel.send(commands.EXIT)
        self.timers.after(self._environment.settings.hangup_seconds, self._close)

    # ---- the end ----

    def _respond(self, code: int, reason: str) -> None:
        self.channel.execute("respond", f"{code} {reason}".strip())
        self.timers.after(self._environment.settings.hangup_seconds, self._close)

    def _never_connected(self) -> None:
        if not self._connected:
            self._environment.problem("", "connect was not answered")
            self.closing = True

    def _close(self) -> None:
        self.closing = True

    def _finish(self) -> None:
        if self.call is not None and self.call.finished and not self.closing:
            self.channel.send(commands.EXIT)
            self.closing = True
