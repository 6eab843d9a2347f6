"""The double itself: it must surprise as FreeSWITCH does."""

from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.freeswitch_parties import Party
from tests.sipio.freeswitch.freeswitch_wire import encode

EVENTS = b"linger\n\nevent plain ALL\n\n"


def connected(channel: FakeChannel, *, linger: bool = True) -> FakeChannel:
    channel.receive(b"connect\n\n" + (EVENTS if linger else b"event plain ALL\n\n"))
    channel.take()
    return channel


def execute(application: str, argument: str = "", uuid: str = "1") -> bytes:
    return (
        f"sendmsg\ncall-command: execute\nexecute-app-name: {application}\nexecute-app-arg: {argument}\n"
        f"Event-UUID: {uuid}\n\n"
    ).encode()


def completions(output: bytes) -> list[str]:
    lines = output.decode().split("\n")
    return [line.removeprefix("Application-UUID: ") for line in lines if line.startswith("Application-UUID")]


def test_nothing_is_said_to_a_first_command_that_is_not_connect() -> None:
    channel = FakeChannel()
    channel.receive(b"linger\n\nconnect\n\n")
    assert channel.take() == b""


def test_channel_data_has_no_length_and_encoded_values() -> None:
    channel = FakeChannel(variables={"sip_h_X-Foo": "bar baz=1;q"})
    channel.receive(b"CONNECT\r\n\r\n")
    data = channel.take()
    assert data.startswith(b"Event-Name: CHANNEL_DATA\n")
    assert b"Content-Length" not in data
    assert b"Caller-Caller-ID-Number: %2B15551234\n" in data
    assert b"variable_sip_h_X-Foo: bar%20baz%3D1%3Bq\n" in data or b"variable_sip_h_X-Foo: bar%20baz%3D1;q\n" in data
    assert data.endswith(b"Socket-Mode: async\nControl: full\n\n")


def test_a_percent_sign_is_not_encoded_twice() -> None:
    assert encode("100%25 /,") == "100%25%20/,"


def test_executes_nest_and_the_outer_one_completes_later() -> None:
    channel = connected(FakeChannel(files={"a": 1.0, "b": 0.5}))
    channel.receive(execute("playback", "a", "outer"))
    channel.advance(0.2)
    channel.receive(execute("playback", "b", "inner") + execute("set", "x=y", "set"))
    channel.advance(0.6)
    assert completions(channel.take()) == ["set", "inner"]
    channel.advance(1)
    assert completions(channel.take()) == ["outer"]


def test_an_unknown_call_command_is_ok_and_an_unknown_application_hangs_up() -> None:
    channel = connected(FakeChannel())
    channel.receive(b"sendmsg\ncall-command: nonsense\n\n")
    assert channel.take() == b"Content-Type: command/reply\nReply-Text: +OK\n\n"
    channel.receive(execute("nonsense", "", "lost"))
    output = channel.take()
    assert b"Hangup-Cause: DESTINATION_OUT_OF_ORDER" in output
    assert "lost" not in completions(output)


def test_without_linger_the_hangup_is_lost() -> None:
    channel = connected(FakeChannel(), linger=False)
    channel.caller_hangs_up()
    output = channel.take()
    assert b"CHANNEL_HANGUP" not in output
    assert channel.closed


def test_the_order_of_a_hangup() -> None:
    channel = connected(FakeChannel(files={"a": 1.0}))
    channel.receive(execute("playback", "a", "mine"))
    channel.caller_hangs_up()
    output = channel.take()
    order = [b"CHANNEL_HANGUP\n", b"PLAYBACK%20ERROR", b"Application: socket", b"CHANNEL_HANGUP_COMPLETE", b"linger\n"]
    assert sorted(order, key=output.rindex) == order
    early = connected(FakeChannel(notice_first=True))
    early.caller_hangs_up()
    output = early.take()
    assert output.index(b"disconnect-notice") < output.index(b"CHANNEL_HANGUP")


def test_a_bridges_variables_stay_for_the_next() -> None:
    channel = connected(FakeChannel(parties={"a": Party(refuse=486), "b": Party(answer=0.1, talk=0.1)}))
    channel.receive(b"api uuid_setvar a-uuid-1 continue_on_fail true\n\n" + execute("bridge", "a"))
    channel.advance(1)
    channel.receive(execute("bridge", "b"))
    channel.advance(1)
    assert channel.variables["originate_disposition"] == "SUCCESS"
    assert channel.variables["sip_invite_failure_status"] == "486"


def test_a_bridge_that_fails_ends_the_call_unless_told_otherwise() -> None:
    channel = connected(FakeChannel(parties={"a": Party(refuse=486)}))
    channel.receive(execute("bridge", "a"))
    channel.advance(1)
    assert channel.hung_up


def test_a_bridges_limit_is_in_whole_seconds_of_the_clock_and_comes_early() -> None:
    channel = connected(FakeChannel(parties={"a": Party()}))
    channel.advance(0.9)
    channel.receive(execute("bridge", "{originate_timeout=2}a"))
    channel.advance(1.2)
    assert channel.variables["originate_disposition"] == "NO_ANSWER"


def test_early_media_is_a_bridge_that_no_limit_ends() -> None:
    channel = connected(FakeChannel(parties={"a": Party(media=0.1, refuse=486), "b": Party(media=0.1)}))
    channel.receive(execute("bridge", "a"))
    channel.advance(1)
    assert channel.variables["originate_disposition"] == "SUCCESS"
    assert channel.variables["last_bridge_hangup_cause"] == "USER_BUSY"
    channel.receive(execute("bridge", "{originate_timeout=2}b"))
    channel.advance(5)
    assert channel.running("bridge")


def test_a_redirection_is_followed_unless_it_is_fatal() -> None:
    channel = connected(FakeChannel(parties={"a": Party(refuse=302)}))
    channel.receive(execute("bridge", "a"))
    channel.advance(1)
    assert channel.redirected == 1
    channel = connected(FakeChannel(parties={"a": Party(refuse=302)}))
    channel.receive(execute("bridge", "{outbound_redirect_fatal=true}a"))
    channel.advance(1)
    assert (channel.redirected, channel.variables["originate_disposition"]) == (0, "REQUESTED_CHAN_UNAVAIL")


def test_arguments_are_expanded_unless_told_otherwise_and_set_always_does() -> None:
    channel = connected(FakeChannel())
    channel.receive(execute("playback", "${a}"))
    channel.receive(b"api uuid_setvar a-uuid-1 app_disable_expand_variables true\n\n")
    channel.receive(execute("playback", "${b}") + execute("set", "x=${c}"))
    assert channel.expanded == ["${a}", "${c}"]


def test_no_digit_is_reported_while_echo_runs() -> None:
    channel = connected(FakeChannel())
    channel.receive(execute("echo"))
    channel.take()
    channel.press("1")
    assert channel.take() == b""
    channel.receive(b"api uuid_break a-uuid-1\n\n")
    assert b"DTMF-Digit: 1" in channel.take()


def test_the_filter_keeps_other_channels_out() -> None:
    channel = connected(FakeChannel())
    channel.receive(b"filter Unique-ID a-uuid-1\n\n")
    channel.take()
    channel.event("CHANNEL_ANSWER", "b-uuid")
    assert channel.take() == b""
    channel.receive(b"filter Unique-ID b-uuid\n\n")
    channel.take()
    channel.event("CHANNEL_ANSWER", "b-uuid")
    assert b"Unique-ID: b-uuid" in channel.take()


def test_getvar_of_nothing_and_a_socket_that_is_not_full() -> None:
    channel = connected(FakeChannel())
    channel.receive(b"getvar nothing\n\n")
    assert b"-ERR command not found" in channel.take()
    partial = FakeChannel(full=False)
    partial.receive(b"connect\n\nlinger\n\napi status\n\n")
    assert partial.take().count(b"-ERR command not found") == 2


def test_exit_says_goodbye() -> None:
    channel = connected(FakeChannel())
    channel.receive(b"exit\n\n")
    assert b"Content-Disposition: disconnect" in channel.take()
    assert channel.closed
