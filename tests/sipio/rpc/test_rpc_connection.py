"""The MessagePack-RPC core through memory, with exact bytes."""

from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipio.errors import LocalError, MalformedFrame, MalformedMessage, OversizedFrame
from sipio.rpc.connection import ConnectionFailed, RequestRefused, ResponseUnexpected, RpcConnection
from sipio.rpc.errors import ConnectionLost, ErrorCode, RpcError
from sipio.rpc.limits import RpcLimits
from sipio.rpc.messages import NotificationReceived, RequestReceived, ResponseReceived
from sipio.rpc.values import ValueDecoder

ANYTHING = ValueDecoder(Any)


def plain(event: object) -> tuple[object, ...]:
    """An event without the bytes' identity, to compare."""
    match event:
        case RequestReceived():
            return ("request", event.msgid, event.method, bytes(event.params))
        case NotificationReceived():
            return ("notification", event.method, bytes(event.params))
        case ResponseReceived():
            return ("response", event.msgid, event.error, bytes(event.result))
        case ConnectionFailed():
            return ("failed", event.code)
        case _:
            return (event,)


def connection(**limits: Any) -> RpcConnection:
    return RpcConnection(RpcLimits(**limits), now=0.0)


def test_request_and_its_answer_are_the_specification_bytes() -> None:
    core = connection()
    assert [plain(event) for event in core.receive(b"\x94\x00\x07\xa4ping\x90", 0.0)] == [
        ("request", 7, "ping", b"\x90")
    ]
    core.respond(7, "pong")
    core.respond_error(8, ErrorCode.OVERLOADED, "no")
    assert core.take_output(0.0) == [
        b"\x94\x01\x07\xc0\xa4pong",
        b"\x94\x01\x08\x82\xa4code\xaaoverloaded\xa7message\xa2no\xc0",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\x94\x00\x08\xa4ping\x90",
        b"\x94\x00\x08\xa4ping\x90\x94\x00\x09\xa4ping\x90",
        b"\x94\x00\x08\xa4ping\x90\x94\x00",
        b"\x94\x00\x08\xa4pi",
        b"\x94\x00\x08\xc4\x04ping\x90",
        b"\x93\x02\xa3bye\x90",
        b"\x94\x01\x00\xc0\x03",
        b"\xc1",
        b"\x94\x00\x08\xa4ping" + b"\x91" * 2_000 + b"\xc0",
        b"\x94\x00\x08\xa4ping\xda\x01\x00" + b"x" * 256,
    ],
)
def test_what_follows_a_request_that_came_alone_is_read_as_what_follows_several(data: bytes) -> None:
    """A request that comes alone, as the one before did, is read in another way than those that come together."""
    ping = b"\x94\x00\x07\xa4ping\x90"
    alone, several = connection(frame_bytes=200), connection(frame_bytes=200)
    alone.receive(ping, 0.0)
    several.receive(ping + ping, 0.0)
    for piece in (data, b"ng\x90", ping):
        heard = [plain(event) for event in alone.receive(piece, 1.0)]
        assert heard == [plain(event) for event in several.receive(piece, 1.0)]
        assert alone.deadline() == several.deadline()


def test_requests_and_notifications_to_the_peer() -> None:
    core = connection()
    msgid = core.request("add", [1, 2])
    core.notify("bye", [])
    assert core.take_output(0.0) == [b"\x94\x00\x00\xa3add\x92\x01\x02", b"\x93\x02\xa3bye\x90"]
    events = core.receive(b"\x94\x01\x00\xc0\x03" * 2, 0.0)
    assert [plain(event) for event in events] == [
        ("response", msgid, None, b"\x03"),
        (ResponseUnexpected(0),),
    ]


def test_what_has_begun_is_answered_while_finishing_and_nothing_begins() -> None:
    core = connection()
    core.receive(b"\x94\x00\x07\xa4ping\x90", 0.0)
    asked = core.request("add", [1, 2])
    core.take_output(0.0)
    core.finish()
    for begin in (core.request, core.notify):
        with pytest.raises(ConnectionLost):
            begin("more", [])
    core.respond(7, "pong")
    assert core.take_output(0.0) == [b"\x94\x01\x07\xc0\xa4pong"]
    events = core.receive(b"\x94\x01\x00\xc0\x03", 0.0)
    assert [plain(event) for event in events] == [("response", asked, None, b"\x03")]


@pytest.mark.parametrize("how", ["failed", "ended"])
def test_nothing_begins_on_a_connection_that_is_gone(how: str) -> None:
    core = connection()
    if how == "failed":
        core.receive(b"\xc1", 0.0)
        core.take_output(0.0)
    else:
        core.end()
    assert (core.failed, core.ended) == (how == "failed", how == "ended")
    for begin in (core.request, core.notify):
        with pytest.raises(ConnectionLost):
            begin("more", [])
    assert core.take_output(0.0) == []


def test_given_up_request_is_unexpected_when_answered() -> None:
    core = connection()
    core.give_up(core.request("add", []))
    assert core.receive(b"\x94\x01\x00\xc0\x03", 0.0) == [ResponseUnexpected(0)]


def test_method_as_binary_is_accepted() -> None:
    events = connection().receive(msgpack.packb([0, 1, b"ping", []]) + msgpack.packb([2, b"n", [1]]), 0.0)
    assert [plain(event) for event in events] == [
        ("request", 1, "ping", b"\x90"),
        ("notification", "n", b"\x91\x01"),
    ]


@pytest.mark.parametrize(
    "message",
    [
        [0, 5, "ping"],
        [0, 5, "ping", [], 1],
        [0, 5, 7, []],
        [0, 5, None, []],
        [0, 5, b"\xff", []],
    ],
)
def test_wrong_shape_with_an_id_is_answered_and_the_connection_lives(message: list[object]) -> None:
    core = connection()
    events = core.receive(msgpack.packb(message) + msgpack.packb([0, 6, "ping", []]), 0.0)
    assert events[0] == RequestRefused(5, ErrorCode.BAD_REQUEST)
    assert plain(events[1]) == ("request", 6, "ping", b"\x90")
    [answer] = core.take_output(0.0)
    assert msgpack.unpackb(answer)[:2] == [1, 5]
    assert msgpack.unpackb(answer)[2]["code"] == "bad_request"


@pytest.mark.parametrize(
    "message",
    [5, {}, [], ["a"], [9, 1, "m", []], [True, 1, "m", []], [0, 1 << 32, "m", []], [0, -1, "m", []], [0, "1", "m", []]],
)
def test_wrong_shape_without_an_id_closes(message: object) -> None:
    core = connection()
    [event] = core.receive(msgpack.packb(message), 0.0)
    assert plain(event) == ("failed", ErrorCode.MALFORMED)
    kind, method, [body] = msgpack.unpackb(core.take_output(0.0)[0])
    assert (kind, method, body["code"]) == (2, "error", "malformed")
    assert core.receive(b"\x94\x00\x07\xa4ping\x90", 0.0) == []


def test_malformed_bytes_fail_after_the_requests_before_them() -> None:
    core = connection()
    events = core.receive(b"\x94\x00\x07\xa4ping\x90\xc1", 0.0)
    assert [plain(event) for event in events] == [
        ("request", 7, "ping", b"\x90"),
        ("failed", ErrorCode.MALFORMED),
    ]
    assert isinstance(events[1], ConnectionFailed)
    assert isinstance(events[1].error, MalformedFrame)


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_oversized_request_is_answered_by_id(pieces: int) -> None:
    core = connection(frame_bytes=100)
    data = msgpack.packb([0, 3, "m", ["x" * 100]])
    size = -(-len(data) // pieces)
    events = [e for i in range(0, len(data), size) for e in core.receive(data[i : i + size], 0.0)]
    assert [plain(event) for event in events] == [("failed", ErrorCode.OVERSIZED)]
    assert isinstance(events[0], ConnectionFailed)
    assert isinstance(events[0].error, OversizedFrame)
    assert msgpack.unpackb(core.take_output(0.0)[0])[:2] == [1, 3]


def test_a_frame_as_long_as_the_cap_passes() -> None:
    data = msgpack.packb([0, 3, "m", ["x" * 80]])
    assert len(connection(frame_bytes=len(data)).receive(data, 0.0)) == 1
    assert plain(connection(frame_bytes=len(data) - 1).receive(data, 0.0)[0])[0] == "failed"


@pytest.mark.parametrize("depth", [400, 990, 1010, 2000, 100_000])
def test_nesting_is_bounded(depth: int) -> None:
    core = connection()
    for event in core.receive(b"\x94\x00\x01\xa1m" + b"\x91" * depth + b"\xc0", 0.0):
        if isinstance(event, RequestReceived):
            try:
                ANYTHING.decode(event.params, "params")
            except MalformedMessage as error:
                assert "nested too deeply" in str(error)  # noqa: PT017 - either outcome is right near the limit


def test_deadlines() -> None:
    core = connection(partial_frame_seconds=2.0, idle_seconds=10.0)
    assert core.deadline() == 10.0
    core.receive(b"\x94\x00\x07", 3.0)
    assert core.deadline() == 5.0
    core.receive(b"\xa4ping", 4.0)
    assert core.deadline() == 5.0
    core.reading_resumed(4.5)
    assert core.deadline() == 6.5
    core.receive(b"\x90", 6.0)
    assert core.deadline() is None, "a request is being worked on"
    core.respond(7, None)
    core.take_output(9.0)
    assert core.deadline() == 19.0
    assert core.expire(18.9) == []
    assert [plain(event) for event in core.expire(19.0)] == [("failed", ErrorCode.IDLE_TIMEOUT)]


def test_partial_frame_expires() -> None:
    core = connection(partial_frame_seconds=2.0)
    core.receive(b"\x94\x00\x07", 3.0)
    assert [plain(event) for event in core.expire(5.0)] == [("failed", ErrorCode.FRAME_TIMEOUT)]


def test_end_of_input_inside_a_message() -> None:
    core = connection()
    core.receive(b"\x94\x00", 0.0)
    assert [plain(event) for event in core.end_of_input()] == [("failed", ErrorCode.MALFORMED)]
    assert connection().end_of_input() == []


def test_answer_that_cannot_be_encoded_is_our_error_and_sends_nothing() -> None:
    core = connection()
    with pytest.raises(LocalError):
        core.respond(1, object())
    with pytest.raises(LocalError):
        core.respond(1, 1 << 70)
    assert core.take_output(0.0) == []


def test_error_field_of_a_foreign_server_may_be_anything() -> None:
    assert RpcError.from_wire({"code": "overloaded", "message": "x"}).code == "overloaded"
    assert RpcError.from_wire("Not Implemented").message == "Not Implemented"


class Typed(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    inner: list[tuple[str, str]] = []


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ([{"name": 1}], "`params[0].name`"),
        ([{"name": "a", "inner": [["x", 1]]}], "`params[0].inner[0][1]`"),
        ([{"name": "a", "more": 1}], "`more` - at `params[0]`"),
        ({}, "at `params`"),
        ([{}], "`name` - at `params[0]`"),
    ],
)
def test_a_wrong_field_is_named_with_its_path(value: object, where: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        ValueDecoder(list[Typed]).decode(msgpack.packb(value), "params")
    assert where in str(caught.value)


def test_values_in_binary_are_text_where_text_is_wanted() -> None:
    packed = msgpack.packb([{b"name": b"a", b"inner": [[b"x", "y"]]}])
    assert ValueDecoder(list[Typed]).decode(packed, "params") == [Typed("a", [("x", "y")])]


@pytest.mark.parametrize(
    "packed",
    [
        b"\x91\x81\xa4name\xa1\xff",
        b"\x91\x81\xa1\xff\x01",
        b"\x91\x81\x81\x01\x02\x01",
        b"\x91\xd4\x05\x00",
        b"\x91\xc7\x0c\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_hostile_values_raise_the_typed_error_only(packed: bytes) -> None:
    for decoder in (ANYTHING, ValueDecoder(list[Typed])):
        with pytest.raises(MalformedMessage):
            decoder.decode(packed, "params")


@pytest.mark.parametrize(
    ("packed", "where"),
    [
        (b"\x91\x81\xa4name\xa1\xff", "UTF-8 - at `params[0].name`"),
        (b"\x91\x81\xa1\xff\x01", "UTF-8 - at `params[0]`"),
        (
            b"\x91\x82\xa4name\xa1a\xa5inner\x91\x92\xa1a\xd4\x05\x00",
            "type 5 is not accepted - at `params[0].inner[0][1]`",
        ),
    ],
)
def test_what_no_decoder_takes_is_named_with_its_path(packed: bytes, where: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        ANYTHING.decode(packed, "params")
    assert where in str(caught.value)


@given(value=st.recursive(st.text() | st.binary(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_bin_is_text_where_it_is_utf8_and_stays_bin_where_not(value: Any) -> None:
    assert ANYTHING.decode(msgpack.packb(value), "params") == _read_as_text(value)


def _read_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _read_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read_as_text(item) for item in value]
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def test_binary_that_is_not_utf8_where_text_is_wanted() -> None:
    with pytest.raises(MalformedMessage):
        ValueDecoder(list[Typed]).decode(b"\x91\x81\xc4\x04name\xc4\x01\xff", "params")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
msgids = st.integers(0, 0xFFFF_FFFF)


@given(msgid=msgids, method=st.text(), params=st.lists(json_like, max_size=3))
@settings(max_examples=100, deadline=None)
def test_what_one_core_sends_the_other_receives(msgid: int, method: str, params: list[Any]) -> None:
    one, other = connection(), connection()
    one._next_msgid = msgid
    assert one.request(method, params) == msgid
    one.notify(method, params)
    request, notification = other.receive(b"".join(one.take_output(0.0)), 0.0)
    assert isinstance(request, RequestReceived)
    assert isinstance(notification, NotificationReceived)
    assert (request.msgid, request.method) == (msgid, method)
    assert ANYTHING.decode(request.params, "params") == params
    assert ANYTHING.decode(notification.params, "params") == params
    other.respond(msgid, params)
    [response] = one.receive(b"".join(other.take_output(0.0)), 0.0)
    assert isinstance(response, ResponseReceived)
    assert ANYTHING.decode(response.result, "result") == params


messages = st.one_of(
    st.tuples(st.just(0), msgids, st.text(max_size=5), json_like),
    st.tuples(st.just(1), msgids, json_like, json_like),
    st.tuples(st.just(2), st.text(max_size=5), json_like),
    st.tuples(st.just(0), msgids, st.integers(0, 100), json_like),
)


@given(several=st.lists(messages, min_size=1, max_size=4), tail=st.binary(max_size=6))
@settings(max_examples=60, deadline=None)
def test_splitting_anywhere_gives_the_same_events(several: list[tuple[Any, ...]], tail: bytes) -> None:
    data = b"".join(msgpack.packb(message) for message in several) + tail
    whole = connection()
    expected = [plain(event) for event in whole.receive(data, 0.0)]
    output = whole.take_output(0.0)
    for at in range(1, len(data)):
        core = connection()
        events = [*core.receive(data[:at], 0.0), *core.receive(data[at:], 0.0)]
        assert [plain(event) for event in events] == expected
        assert core.take_output(0.0) == output
    core = connection()
    singles = [plain(event) for byte in data for event in core.receive(bytes([byte]), 0.0)]
    assert singles == expected


@given(pieces=st.lists(st.binary(max_size=200), max_size=5))
@settings(max_examples=400, deadline=None)
def test_any_bytes_give_events_and_nothing_else(pieces: list[bytes]) -> None:
    core = connection(frame_bytes=300)
    for piece in pieces:
        for event in core.receive(piece, 0.0):
            if isinstance(event, RequestReceived | NotificationReceived):
                try:
                    ANYTHING.decode(event.params, "params")
                except MalformedMessage:
                    continue
    core.end_of_input()


@given(flips=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=3))
@settings(max_examples=400, deadline=None)
def test_a_request_with_bytes_changed_gives_the_typed_errors_only(flips: list[tuple[int, int]]) -> None:
    data = bytearray(msgpack.packb([0, 9, "route", [{"name": "a", "inner": [["x", "y"]] * 10}]]))
    for at, value in flips:
        data[at % len(data)] = value
    core = connection()
    for event in core.receive(bytes(data), 0.0):
        if isinstance(event, RequestReceived):
            for decoder in (ANYTHING, ValueDecoder(list[Typed])):
                try:
                    decoder.decode(event.params, "params")
                except MalformedMessage as error:
                    assert str(error)  # noqa: PT017 - what was flipped decides whether there is an error
