"""What a script asks of its call, as the driver's actions; and what came of them, as the script is told it."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from sidecar import header_rules
from sidecar.header_rules import RuleViolation
from sidecar.hosts.customer_folders import ActionError, CustomerFolders, destination, file, media
from sidecar.text import printable
from sipio.call_control import (
    Answer,
    BlockDtmf,
    Bridge,
    Bridged,
    CallAction,
    Collect,
    Digits,
    Echo,
    Hangup,
    HangupBy,
    MediaText,
    Play,
    Record,
)
from sipio.causes import cause_of
from sipio.digit_entry import BadPattern, compile_pattern
from sipio.sip.serialize import OWNED_HEADERS

TEXT_CHARACTERS: Final = 10_000
"""One spoken text may have these: ten minutes of speech."""
CAUSE_CHARACTERS: Final = 300
"""A hang-up's code and reason may have these: the reason is sent cut to 200, and a pattern takes the square of a text's
length."""
VARIABLE_CHARACTERS: Final = 100
VALUE_CHARACTERS: Final = 65_536
"""A call variable's value may have these: it goes to the switch in one message."""
DESTINATIONS: Final = 20
DIGITS: Final = 128
TRIES: Final = 20
LONGEST_SECONDS: Final = 3_600.0
PATTERN_CHARACTERS: Final = 256

_DTMF: Final = re.compile(r"[0-9*#A-D]*")
_VOICE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_+./|\-]*)?")
_SIP_ANSWER: Final = re.compile(r"\s*([3-6][0-9]{2})(?:\s+(.*?))?\s*", re.DOTALL)


class RequestedAction(msgspec.Struct, frozen=True):
    """An action to be performed, and what else it means for the call."""

    action: CallAction
    text: str
    """What the record and the terminal show: ``play user/welcome.wav``."""
    go_on: Callable[[Bridged], bool] | None = None
    """Says after a bridge whether the script goes on. None where the action is no bridge."""
    transfer_to: "RequestedAction | None" = None
    """The bridge that the call goes to if the digits that this action collects are not entered."""
    type_ahead: bool = True
    """Whether digits pressed before this action count among those that it collects."""


class VariableChange(msgspec.Struct, frozen=True):
    """A call variable to be set. It waits for no other action: who asks for it next is given the new value."""

    name: str
    value: str


Folders = Callable[[], CustomerFolders]
"""Asked for only by what names a file: to find them the file system is looked at."""


def parse(kind: str, options: dict[str, Any], folders: Folders) -> RequestedAction | VariableChange:
    """What a script asked for, in words and options of its own. Raises ActionError."""
    parser = PARSERS.get(kind)
    if parser is None:
        raise ActionError(f"there is no action {kind}")
    try:
        return parser(_Options(kind, options), folders)
    except RuleViolation as error:
        raise ActionError(f"ctx.header: {error}") from None


class _Options:
    """A script's options, read with a clear error for each that is not right."""

    def __init__(self, kind: str, given: dict[str, Any]) -> None:
        self.kind = kind
        self.given = given

    def text(self, name: str, longest: int, default: str = "") -> str:
        value = self.given.get(name)
        if value is None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > longest:
            raise ActionError(f"ctx.{self.kind}: {name} must be text of at most {longest} characters")
        return value

    def number(self, name: str, default: float, lowest: float, highest: float) -> float:
        value = self.given.get(name)
        if value is None:
            return default
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                value = None
        if not isinstance(value, int | float) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ActionError(f"ctx.{self.kind}: {name} must be a number from {lowest:g} to {highest:g}")
        return float(value)

    def headers(self) -> list[tuple[str, str]]:
        given = self.given.get("headers")
        if not given:
            return []
        # The adapter writes pairs; a script's own toJSON on a prototype writes anything.
        if not isinstance(given, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in given):
            raise ActionError(f"ctx.{self.kind}: the headers cannot be read")
        headers = header_rules.added({"key": name, "value": value} for name, value in given)
        for name, _ in headers:
            if header_rules.folded(name) in OWNED_HEADERS:
                raise ActionError(f"ctx.header: the header {name} is the call's own and cannot be set by a script")
        return headers


def _answer(options: _Options, _folders: Folders) -> RequestedAction:
    return RequestedAction(Answer(headers=options.headers()), "answer")


def _tts(options: _Options, _folders: Folders) -> RequestedAction:
    if options.given.get("text") is None:
        raise ActionError("ctx.tts: text is needed")
    text, voice = options.text("text", TEXT_CHARACTERS), options.text("voice", 40)
    if _VOICE.fullmatch(voice) is None:
        raise ActionError(f"ctx.tts: voice {printable(voice)!r} is no name of a voice")
    # A speech program that is given nothing to say gives no audio, which would be an error.
    said = [MediaText(text, voice)] if text.strip() else []
    return RequestedAction(Play(media=[*said]), f"tts {text[:80]}".strip())


def _play(options: _Options, folders: Folders) -> RequestedAction:
    files = options.given.get("files") or []
    return RequestedAction(
        Play(media=media("ctx.play: file", files, folders)), f"play {' '.join(map(str, files))[:200]}"
    )


def _echo(options: _Options, _folders: Folders) -> RequestedAction:
    delay = int(options.number("delay", 0, 0, 10_000))
    return RequestedAction(Echo(delay_ms=delay), f"echo {delay}")


def _ivr(options: _Options, folders: Folders) -> RequestedAction:
    extra = options.given.get("options") or {}
    if not isinstance(extra, dict):
        raise ActionError("ctx.ivr: the options must be an object")
    more = _Options("ivr", extra)
    minimum = int(options.number("minimum", 1, 0, DIGITS))
    maximum = int(options.number("maximum", DIGITS, 1, DIGITS))
    if minimum > maximum:
        raise ActionError("ctx.ivr: the minimum is above the maximum")
    terminators = options.text("terminators", 16, default="#")
    if _DTMF.fullmatch(terminators) is None:
        raise ActionError("ctx.ivr: terminators are digits out of 0-9 * # A-D")
    pattern = more.text("regexp", PATTERN_CHARACTERS)
    if pattern:
        try:
            compile_pattern(pattern)
        except BadPattern as error:
            raise ActionError(f"ctx.ivr: regexp: {error}") from None
    files = options.given.get("files") or []
    action = Collect(
        prompt=media("ctx.ivr: file", files, folders),
        invalid_prompt=media("ctx.ivr: invalid_file", _listed(more.given.get("invalid_file")), folders),
        timeout_seconds=options.number("timeout", 5.0, 0.1, LONGEST_SECONDS),
        minimum=minimum,
        maximum=maximum,
        terminators=terminators,
        tries=int(more.number("tries", 1, 1, TRIES)),
        pattern=pattern,
    )
    text = f"ivr {' '.join(map(str, files))[:200]}".strip()
    type_ahead = more.given.get("type_ahead")
    if type_ahead is not None and not isinstance(type_ahead, bool):
        raise ActionError("ctx.ivr: type_ahead must be true or false")
    transfer = more.text("transfer_on_failure", 200)
    transfer_to = _transfer(transfer) if transfer else None
    return RequestedAction(action, text, transfer_to=transfer_to, type_ahead=type_ahead is not False)


def _listed(given: Any) -> list[Any]:
    if given is None or given == "":
        return []
    return given if isinstance(given, list) else [given]


def _transfer(given: str) -> RequestedAction:
    return _bridging(Bridge(destinations=[destination("ctx.ivr: transfer_on_failure", given)]), continue_on=False)


def _bridge(options: _Options, folders: Folders) -> RequestedAction:
    given = options.given.get("destinations")
    if not isinstance(given, list) or not 0 < len(given) <= DESTINATIONS:
        raise ActionError(f"ctx.bridge: destination must be one or a list of at most {DESTINATIONS}")
    continue_on, external = options.given.get("continueOn"), options.given.get("external")
    if continue_on not in (True, False, "fail", "completed"):
        raise ActionError("ctx.bridge: continue_on must be true, false, 'fail' or 'completed'")
    if external not in (None, True, False):
        raise ActionError("ctx.bridge: external must be true or false")
    extra = options.given.get("options") or {}
    if not isinstance(extra, dict):
        raise ActionError("ctx.bridge: the options must be an object")
    destinations = [destination("ctx.bridge: destination", one, external=external is True) for one in given]
    action = Bridge(
        destinations=destinations,
        headers=options.headers(),
        ringback=media("ctx.bridge: ringback", _listed(extra.get("ringback")), folders),
    )
    return _bridging(action, continue_on)


def _bridging(action: Bridge, continue_on: bool | str) -> RequestedAction:
    def go_on(result: Bridged) -> bool:
        completed = result.status == "completed"
        return (
            continue_on is True
            or (continue_on == "completed" and completed)
            or (continue_on == "fail" and not completed)
        )

    return RequestedAction(action, f"bridge {' '.join(action.destinations)}", go_on=go_on)


def _hangup(options: _Options, _folders: Folders) -> RequestedAction:
    given = options.given.get("cause")
    return RequestedAction(
        hangup(given, options.headers()), f"hangup {printable(str(given))}" if given is not None else "hangup"
    )


def hangup(given: Any, headers: list[tuple[str, str]] | None = None) -> Hangup:
    """The end of a call by ``404``, ``'404 Not Found'``, ``'USER_BUSY'``, a Q.850 number or nothing.

    Raises ActionError.
    """
    sent = headers or []
    if given is None:
        return Hangup(headers=sent)
    if isinstance(given, str) and len(given) > CAUSE_CHARACTERS:
        raise ActionError(f"ctx.hangup: a cause has at most {CAUSE_CHARACTERS} characters")
    match = _SIP_ANSWER.fullmatch(str(given))
    if match is not None:
        code = int(match[1])
        return Hangup(code=code, reason=printable(match[2] or ""), cause=cause_of(code), headers=sent)
    if isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= 127:
        return Hangup(cause=given, headers=sent)
    if isinstance(given, str):
        cause = cause_of(given)
        if cause:
            return Hangup(cause=cause, headers=sent)
    raise ActionError(f"ctx.hangup: {str(given)[:80]!r} is neither a SIP code nor a cause")


def _block(options: _Options, _folders: Folders) -> RequestedAction:
    digits = options.text("digits", 16)
    if _DTMF.fullmatch(digits) is None:
        raise ActionError("ctx.blockDtmf: digits are out of 0-9 * # A-D")
    return RequestedAction(BlockDtmf(digits=digits), f"blockDtmf {digits}".strip())


def _record(options: _Options, folders: Folders) -> RequestedAction:
    name = options.text("file", 200)
    plain = name.removeprefix("user/")
    wav = plain if plain.endswith(".wav") else f"{plain}.wav"
    path = file("ctx.record: filename", f"user/{wav}", {"user": folders().recordings})
    stereo = options.given.get("stereo") is True
    return RequestedAction(Record(name=name, path=path, stereo=stereo), f"record {name}")


def _set(options: _Options, _folders: Folders) -> VariableChange:
    return VariableChange(options.text("key", VARIABLE_CHARACTERS), options.text("value", VALUE_CHARACTERS))


PARSERS: Final[Mapping[str, Callable[[_Options, Folders], RequestedAction | VariableChange]]] = {
    "answer": _answer,
    "tts": _tts,
    "play": _play,
    "echo": _echo,
    "ivr": _ivr,
    "bridge": _bridge,
    "hangup": _hangup,
    "blockDtmf": _block,
    "record": _record,
    "set": _set,
}
"""What a script may ask of its call by ``perform``: the functions of ctx that are done on the call itself."""


def result(value: Digits | Bridged | str | None) -> Any:
    """What the script's promise resolves with; a text is the name of a recording's file."""
    if isinstance(value, Digits):
        return {"status": value.status.value, "value": value.value, "terminator": value.terminator}
    if isinstance(value, Bridged):
        return {
            "status": value.status.value,
            "destination": value.destination,
            "code": value.code,
            "reason": value.reason,
            "duration": value.seconds,
            "hangup_by": value.hangup_by,
        }
    return value


def end_of_bridge(value: Bridged) -> tuple[Hangup, HangupBy]:
    """How a call ends whose script does not go on after a bridge, and by whom."""
    if value.status == "completed":
        return Hangup(cause=16), HangupBy(value.hangup_by or "caller")
    code = value.code or 480
    return Hangup(code=code, reason=value.reason, cause=cause_of(code)), HangupBy.CALLEE
