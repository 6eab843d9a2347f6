"""A FreeSWITCH channel behind an outbound event socket, as FreeSWITCH 1.10.12 was measured to behave.

Surprises included: what is executed does not queue but runs inside what runs already; ``+OK`` answers also what means
nothing; an unknown application hangs up without a completion; `socket` completes at the end; a bridge's variables stay;
without ``linger`` the hang-up's events are lost; arguments are expanded; a star ends a playback; no digit is reported
while ``echo`` runs. Bytes in, bytes out, and a clock that the test moves.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.sipio.freeswitch.freeswitch_parties import CAUSES, Party, Running
from tests.sipio.freeswitch.freeswitch_wire import FreeswitchWire


@dataclass
class FakeChannel:
    """One call. ``receive`` what was sent, ``take`` what comes, ``advance`` time."""

    uuid: str = "a-uuid-1"
    variables: dict[str, str] = field(default_factory=dict)
    files: dict[str, float] = field(default_factory=dict)
    """Sound files that there are, and their length in seconds."""
    parties: dict[str, Party] = field(default_factory=dict)
    """By dial string."""
    unwritable: set[str] = field(default_factory=set)
    """Files that no recording can be written to."""
    full: bool = True
    notice_first: bool = False
    """Whether the disconnect notice comes before the hang-up's events, as it may."""
    destination: str = "7000"
    caller: str = "+15551234"

    def __post_init__(self) -> None:
        self.now = 0.0
        self.without_time: set[str] = set()
        """Names of events that do not say when they happened."""
        self.swallowed: set[str] = set()
        """Names of events that do not come."""
        self.sent: list[str] = []
        """Commands received, each without its last line end."""
        self.executed: list[tuple[str, str]] = []
        self.expanded: list[str] = []
        """Arguments that FreeSWITCH expanded ``${...}`` in: a program may have run."""
        self.answered_by = ""
        """UUID of the other phone of the same user that answers in place of the one that is followed."""
        self.redirected = 0
        """How often the caller was sent where another leg redirected."""
        self.responded = ""
        self.hung_up = False
        self.stuck = False
        self._wire = FreeswitchWire(self._command)
        self._stack: list[Running] = []
        self._digits: list[tuple[str, int]] = []
        self._blocked = False
        self._connected = False
        self._linger = False
        self._recordings: dict[str, float] = {}
        self._answered = False

    def placed(self) -> "FakeChannel":
        """It was called, and has answered, before the connection was made."""
        self._answered = True
        return self

    # ---- the wire ----

    @property
    def closed(self) -> bool:
        return self._wire.closed

    def take(self) -> bytes:
        return self._wire.take()

    def receive(self, data: bytes) -> None:
        self._wire.receive(data)

    def _command(self, head: str, body: str) -> None:
        self.sent.append(head)
        lines = head.replace("\r", "").split("\n")
        words = lines[0].split(" ")
        name = words[0].lower()
        if not self._connected:
            if name != "connect" or self.stuck:
                self.stuck = True
                return
            self._connected = True
            self._channel_data()
        elif name == "sendmsg":
            message = {
                key.strip().lower(): value.lstrip() for key, _, value in (one.partition(":") for one in lines[1:])
            }
            self._wire.reply("+OK")
            self._sendmsg(message, body)
        elif name == "exit":
            self._wire.reply("+OK bye")
            self._disconnect()
        elif name == "getvar":
            value = self.variables.get(words[1], "")
            self._wire.reply(value or "-ERR command not found")
        elif not self.full:
            self._wire.reply("-ERR command not found")
        elif name == "linger":
            self._linger = True
            self._wire.reply("+OK will linger")
        elif name == "event":
            self._wire.events |= set(words[2:])
            self._wire.reply("+OK event listener enabled plain")
        elif name == "filter":
            change = self._wire.filters.discard if words[1] == "delete" else self._wire.filters.add
            change(words[-1])
            self._wire.reply("+OK filter")
        elif name == "api":
            self._wire.api_response(self._api(lines[0].split(" ", 3)))
        else:
            self._wire.reply("-ERR command not found")

    def _channel_data(self) -> None:
        headers = {
            "Event-Name": "CHANNEL_DATA",
            "Channel-Destination-Number": self.destination,
            "Unique-ID": self.uuid,
            "Answer-State": "answered" if self._answered else "ringing",
            "Caller-Caller-ID-Number": self.caller,
            "Caller-Destination-Number": self.destination,
            **{f"variable_{key}": value for key, value in self.variables.items()},
        }
        self._wire.channel_data(headers, "full" if self.full else "single-channel")

    def event(self, name: str, unique_id: str = "", **headers: str) -> None:
        """Send an event, if it was asked for and the filter lets it through."""
        self._event(name, unique_id or self.uuid, self.variables, headers)

    def _event(self, name: str, uuid: str, variables: Mapping[str, str], headers: Mapping[str, str]) -> None:
        if name in self.swallowed or not self._wire.wants(name, uuid):
            return
        values = {"Event-Name": name, "Event-Date-Timestamp": str(int((1_000 + self.now) * 1e6)), "Unique-ID": uuid}
        if name in self.without_time:
            del values["Event-Date-Timestamp"]
        values |= {key.replace("_", "-"): value for key, value in headers.items()}
        if name != "DTMF":  # the one event without variables
            values |= {f"variable_{key}": value for key, value in variables.items()}
        self._wire.event(values)

    # ---- api ----

    def _api(self, words: list[str]) -> str:
        name, rest = words[1], words[2:]
        if name == "uuid_setvar" and rest[0] == self.uuid:
            variable, _, value = rest[1].partition(" ")
            value = re.sub(
                r"\\([\\'nrs])", lambda m: {"n": "\n", "r": "\r", "s": " "}.get(m[1], m[1]), value.strip(" ")
            )
            if value:
                self.variables[variable] = value
            else:
                self.variables.pop(variable, None)
            return "+OK\n"
        if name == "uuid_break" and rest[0] == self.uuid:
            top = self._stack[-1] if self._stack else None
            if top is not None and top.name in {"playback", "speak", "echo"}:
                self._complete(top, "FILE PLAYED" if top.name == "playback" else "_none_")
            return "+OK\n"
        if name == "uuid_kill":
            if rest[0] == self.uuid and not self.hung_up:
                self.hang_up("NORMAL_CLEARING", 16, "send_bye" if self._answered else "send_refuse")
                return "+OK\n"
            bridge = next((one for one in self._stack if one.b_uuid == rest[0]), None)
            # The other leg exists only once the session's thread has made it.
            if bridge is not None and bridge.elapsed > 0 and not (bridge.talking and self.answered_by):
                self._leg_over(bridge, "SUCCESS" if bridge.talking else rest[1].strip(), 0)
                return "+OK\n"
            return "-ERR No such channel!\n"
        return "-ERR command not found\n"

    # ---- applications ----

    def _sendmsg(self, message: dict[str, str], body: str) -> None:
        command = message.get("call-command")
        if command == "hangup":
            cause = message.get("hangup-cause", "")
            numbers = {"USER_BUSY": 17, "CALL_REJECTED": 21, "UNALLOCATED_NUMBER": 1}
            # A name that it does not know becomes NORMAL_CLEARING.
            name = cause if cause in numbers else "NORMAL_CLEARING"
            self.hang_up(name, numbers.get(name, 16), "send_bye" if self._answered else "send_refuse")
        elif command == "execute" and not self.hung_up:
            argument = message.get("execute-app-arg") or (body if message.get("content-type") == "text/plain" else "")
            if "${" in argument and self.variables.get("app_disable_expand_variables") != "true":
                self.expanded.append(argument)
            self._execute(message["execute-app-name"], argument, message.get("event-uuid", ""))

    def _execute(self, name: str, argument: str, event_uuid: str) -> None:
        self.executed.append((name, argument))
        running = Running(name, argument, event_uuid, 0.0)
        self._stack.append(running)
        application: Callable[[Running], None] | None = getattr(self, f"_app_{name}", None)
        if application is None:
            self._stack.remove(running)
            self.hang_up("DESTINATION_OUT_OF_ORDER", 27, "send_bye" if self._answered else "send_refuse")
            return
        application(running)

    def _complete(self, running: Running, response: str = "_none_") -> None:
        if running in self._stack:
            self._stack.remove(running)
            self.event(
                "CHANNEL_EXECUTE_COMPLETE",
                Application=running.name,
                Application_Response=response,
                Application_UUID=running.event_uuid,
                Answer_State="answered" if self._answered else "ringing",
            )
        self._hear()

    def _app_answer(self, running: Running) -> None:
        if not self._answered:
            self._answered = True
            self.event("CHANNEL_ANSWER", Answer_State="answered")
        self._complete(running)

    def _app_playback(self, running: Running) -> None:
        length = self.files.get(running.argument)
        if length is None:
            self._complete(running, "FILE NOT FOUND")
        else:
            running.left = length

    def _app_speak(self, running: Running) -> None:
        running.left = 1.0

    def _app_echo(self, running: Running) -> None:
        running.left = None

    def _app_set(self, running: Running) -> None:
        name, _, value = running.argument.partition("=")
        if "${" in value:  # set expands, whatever app_disable_expand_variables says
            self.expanded.append(value)
        self.variables[name] = value
        self._complete(running)

    def _app_block_dtmf(self, running: Running) -> None:
        self._blocked = True
        self._complete(running)

    def _app_record_session(self, running: Running) -> None:
        if running.argument not in self.unwritable:
            self._recordings[running.argument] = self.now
            self.event("RECORD_START", Record_File_Path=running.argument)
        self._complete(running)

    def _app_stop_record_session(self, running: Running) -> None:
        self._stop_recording(running.argument)
        self._complete(running)

    def _app_respond(self, running: Running) -> None:
        self.responded = running.argument
        causes = {
            "404": ("UNALLOCATED_NUMBER", 1),
            "480": ("NO_USER_RESPONSE", 18),
            "486": ("USER_BUSY", 17),
            "503": ("NORMAL_TEMPORARY_FAILURE", 41),
            "603": ("CALL_REJECTED", 21),
        }
        name, number = causes.get(running.argument[:3], ("NORMAL_UNSPECIFIED", 31))
        self.hang_up(name, number, "send_bye" if self._answered else "send_refuse")

    def _app_redirect(self, running: Running) -> None:
        self.responded = f"302 {running.argument}"
        self.hang_up("NORMAL_UNSPECIFIED", 31, "send_refuse")

    def _app_bridge(self, running: Running) -> None:
        found = re.fullmatch(r"\{(.*?)\}(.*)", running.argument)
        given = dict(one.partition("=")[::2] for one in found[1].split(",")) if found else {}
        dial = found[2] if found else running.argument
        running.b_uuid = given.get("origination_uuid", "b-uuid")
        running.party = (
            Party(ring=None, answer=0.0, talk=None) if dial.startswith("loopback/") else self.parties.get(dial)
        )
        running.left = None
        running.began = self.now
        running.limit = int(given.get("originate_timeout", "60"))
        running.redirects = given.get("outbound_redirect_fatal") != "true"
        if running.party is None:
            self._leg_over(running, "NORMAL_TEMPORARY_FAILURE", 503)

    def _leg_over(self, running: Running, disposition: str, status: int) -> None:
        if running.bridged:
            ended_as = running.party.ends_as if running.party is not None else "NORMAL_CLEARING"
            self.variables["last_bridge_hangup_cause"] = ended_as if disposition == "SUCCESS" else disposition
            disposition = "SUCCESS"
        self.variables["originate_disposition"] = disposition
        if status:
            # Of a refusal only: after a later bridge that succeeds they are still there.
            self.variables["sip_invite_failure_status"] = str(status)
            self.variables["sip_invite_failure_phrase"] = CAUSES.get(status, ("", "Service Unavailable"))[1]
        goes_on = self.variables.get("continue_on_fail") == "true" or self.hung_up
        self._complete(running)
        if disposition != "SUCCESS" and not goes_on:
            self.hang_up(disposition, 17, "send_refuse")

    def _redirect(self, running: Running, status: int) -> None:
        if running.redirects:
            self.redirected += 1
            self._leg_over(running, "NORMAL_CLEARING", 0)
        else:
            cause = {"proto_specific_hangup_cause": f"sip:{status}"}
            late = running.party is not None and running.party.ends_late
            if not late:
                self._event("CHANNEL_HANGUP", running.b_uuid, cause, {})
                self.variables["last_bridge_proto_specific_hangup_cause"] = f"sip:{status}"
            self._leg_over(running, "REQUESTED_CHAN_UNAVAIL", 0)
            if late:
                self._event("CHANNEL_HANGUP", running.b_uuid, cause, {})

    # ---- time ----

    def advance(self, seconds: float) -> None:
        """Let time pass. Only the application on top of the stack makes progress."""
        while seconds > 1e-9 and not self.closed:
            step = min(seconds, 0.01)
            seconds -= step
            self.now += step
            if self._stack:
                self._progress(self._stack[-1], step)

    def _progress(self, running: Running, step: float) -> None:
        if running.party is not None:
            self._ring(running, running.party, step)
        elif running.left is not None:
            running.left -= step
            if running.left <= 1e-9:
                self._complete(running, "FILE PLAYED" if running.name == "playback" else "_none_")

    def _ring(self, running: Running, party: Party, step: float) -> None:
        running.elapsed += step
        at = running.elapsed + 1e-9
        if party.media is not None:
            if at >= party.media and not running.bridged:
                self.event("CHANNEL_PROGRESS_MEDIA", running.b_uuid)
                self._bridged(running)
            if party.refuse and at >= party.media + 0.5:
                self._leg_over(running, CAUSES[party.refuse][0], party.refuse)
                return
        elif party.ring is not None and at >= party.ring and not running.rang:
            running.rang = True
            self.event("CHANNEL_PROGRESS", running.b_uuid)
            if 300 <= party.refuse < 400:
                self._redirect(running, party.refuse)
                return
            if party.refuse:
                self._leg_over(running, CAUSES[party.refuse][0], party.refuse)
                return
        if running.talking:
            if party.talk is not None and party.answer is not None and at >= party.answer + party.talk:
                self._leg_over(running, "SUCCESS", 0)
        elif party.answer is not None and at >= party.answer:
            running.talking = True
            self._bridged(running)
            self.event("CHANNEL_ANSWER", self.answered_by or running.b_uuid, Answer_State="answered")
            self._answered = True
            self.event("CHANNEL_ANSWER", Answer_State="answered")
        elif not running.bridged and int(self.now + 1e-9) - int(running.began) >= running.limit:
            # In whole seconds of the clock.
            self._leg_over(running, "NO_ANSWER", 0)

    def _bridged(self, running: Running) -> None:
        running.bridged = True
        self.variables["last_bridge_to"] = self.answered_by or running.b_uuid

    def running(self, name: str, argument: str = "") -> bool:
        """Whether such an application is on the stack."""
        return any(one.name == name and argument in one.argument for one in self._stack)

    # ---- the caller ----

    def press(self, digit: str, duration: int = 1280) -> None:
        """The caller presses a digit."""
        if not self._blocked and not self.hung_up:
            self._digits.append((digit, duration))
            self._hear()

    def _hear(self) -> None:
        """A digit is reported when the application that runs reads it, and echo reads none."""
        while self._digits and not (self._stack and self._stack[-1].name in {"echo", "delay_echo"}):
            digit, duration = self._digits.pop(0)
            headers = {"DTMF_Digit": digit, "DTMF_Duration": str(duration), "DTMF_Source": "RTP"}
            self.event("DTMF", **headers)
            top = self._stack[-1] if self._stack else None
            terminators = self.variables.get("playback_terminators", "*").replace("none", "")
            if top is not None and top.name == "playback" and digit in terminators:
                self._complete(top, "FILE PLAYED")

    def caller_hangs_up(self, **variables: str) -> None:
        """A BYE, or a CANCEL before the answer."""
        self.variables |= variables
        self.hang_up(
            "NORMAL_CLEARING" if self._answered else "ORIGINATOR_CANCEL",
            16 if self._answered else 487,
            "recv_bye" if self._answered else "recv_cancel",
        )

    def hang_up(self, cause: str, number: int, disposition: str) -> None:
        """The channel ends, whoever wanted it."""
        if self.hung_up:
            return
        self.hung_up = True
        if not self._linger:
            # The connection ends and the hang-up's events with it.
            self._disconnect()
            return
        if self.notice_first:
            self.notice("linger")
        self.event("CHANNEL_HANGUP", Hangup_Cause=cause)
        for running in reversed(self._stack[:]):
            if running.name == "bridge" and not running.talking:
                self.variables["originate_disposition"] = "ORIGINATOR_CANCEL"
            self._complete(running, "PLAYBACK ERROR" if running.name == "playback" else "_none_")
        self.event(
            "CHANNEL_EXECUTE_COMPLETE", Application="socket", Application_Response="_none_", Application_UUID="x"
        )
        for path in list(self._recordings):
            self._stop_recording(path)
        self.variables |= {
            "hangup_cause": cause,
            "hangup_cause_q850": str(number),
            "sip_hangup_disposition": disposition,
        }
        answered = "1000000" if self._answered else "0"
        self.event("CHANNEL_HANGUP_COMPLETE", Hangup_Cause=cause, Caller_Channel_Answered_Time=answered)
        if not self.notice_first:
            self.notice("linger")

    def _stop_recording(self, path: str) -> None:
        began = self._recordings.pop(path, None)
        if began is not None:
            self.variables["record_ms"] = str(round((self.now - began) * 1000))
            self.event("RECORD_STOP", Record_File_Path=path)

    def notice(self, disposition: str) -> None:
        self._wire.notice(self.uuid, disposition)

    def _disconnect(self) -> None:
        self.notice("disconnect")
        self._wire.closed = True
