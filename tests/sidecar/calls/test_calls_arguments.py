"""Class 5: what a script may name on its call, and the clear error for what it may not."""

from pathlib import Path
from typing import Any

import pytest

from sipio.call_control import Bridge, Collect, DigitPressed, Failed, HangupBy, Media, MediaFile, MediaUrl, Play
from tests.doubles.memory_call import MemoryCall
from tests.sidecar.calls.call_exchange import Exchange, main


def refused(action: str, tmp_path: Path) -> str:
    """The error that an action is refused with; nothing of it comes to the call."""
    body = f"""try {{ await {action} }} catch (error) {{
      await ctx.log((error instanceof TypeError) + ' ' + error.name + ': ' + error.message) }}"""
    exchange = Exchange(main(body), tmp_path)
    call = exchange.call()
    assert call.ended, call.names
    assert call.names == ["Hangup"]
    assert exchange.record.actions == []
    (said,) = exchange.record.log
    assert said.startswith("true TypeError: ")
    return said.removeprefix("true TypeError: ")


def performed(action: str, tmp_path: Path) -> Any:
    return Exchange(main(f"await {action}"), tmp_path).call().under_way.action


@pytest.mark.parametrize(
    "destination",
    [
        "trunk/../x", "trunk/./x", "trunk/carrier/..", "trunk/carrier/../x", "trunk//x", "trunk/carrier/", "trunk/x",
        "user/..", "user/", "user/a/b", "../x", "sofia/gateway/x", "/x", "x/",
        "sip:a@b\r\nX-Evil: 1", "trunk/carrier/1\n2", "user/a\x00", "20\x1f0", "sip:a@b\x85", "sip:a@b\u2028", "1 2",
        "sip:a@b>", "sip:" + "x" * 300 + "@b", "9" * 257, "", "sip:", "sip:@b", "sip:a@", "sip:a@[::1", "sip:a@b:99999",
    ],
)  # fmt: skip
async def test_what_is_no_destination_is_never_dialled(destination: str, tmp_path: Path) -> None:
    written = "".join(f"\\u{ord(character):04x}" for character in destination)
    said = refused(f'ctx.bridge(["200", "{written}"], true)', tmp_path)
    assert said.startswith("ctx.bridge: destination ")
    assert all(character.isprintable() for character in said)
    if destination:
        said = refused(f'ctx.ivr(null, 1, 1, 1, "#", {{ transfer_on_failure: "{written}" }})', tmp_path)
        assert said.startswith("ctx.ivr: transfer_on_failure ")


@pytest.mark.parametrize("given", ["null", "{}", "[]", "true", "[[1]]", "undefined", "Array(21).fill('1')"])
async def test_destinations_of_another_type(given: str, tmp_path: Path) -> None:
    assert refused(f"ctx.bridge({given}, true)", tmp_path).startswith("ctx.bridge: destination ")


@pytest.mark.parametrize(
    "destination", ["sip:a@b;transport=tcp", "sips:a@b", "user/alice", "trunk/carrier/+4420", "200", "*98#"]
)
async def test_what_is_a_destination(destination: str, tmp_path: Path) -> None:
    assert performed(f"ctx.bridge('{destination}')", tmp_path).destinations == [destination]


@pytest.mark.parametrize("address", ["http://h/a\r\nX: 1", "http://h/\x00", "https://h/a b", "http://", "http://[h/a",
                                     "http://h/\x7f", "http://h/" + "x" * 2048])  # fmt: skip
@pytest.mark.parametrize(
    ("action", "argument"),
    [
        ("ctx.play('{}')", "ctx.play: file "),
        ("ctx.play(['user/a.wav', '{}'])", "ctx.play: file "),
        ("ctx.ivr('{}')", "ctx.ivr: file "),
        ("ctx.ivr(null, 1, 1, 1, '#', {{ invalid_file: '{}' }})", "ctx.ivr: invalid_file "),
        ("ctx.bridge('200', true, false, {{ ringback: '{}' }})", "ctx.bridge: ringback "),
    ],
)
async def test_what_is_no_address(address: str, action: str, argument: str, tmp_path: Path) -> None:
    written = "".join(f"\\u{ord(character):04x}" for character in address)
    assert refused(action.format(written), tmp_path).startswith(argument)


@pytest.mark.parametrize(
    ("action", "argument"),
    [
        ("ctx.tts('x'.repeat(10001))", "ctx.tts: text "),
        ("ctx.tts('x'.repeat(3_000_000))", "ctx.tts: text "),
        ("ctx.tts()", "ctx.tts: text "),
        ("ctx.tts(null)", "ctx.tts: text "),
        ("ctx.tts({})", "ctx.tts: text "),
        ("ctx.play('http://h/' + 'x'.repeat(3_000_000))", "ctx.play: file "),
        ("ctx.play(Array(100_000).fill('user/' + 'x'.repeat(100)))", "ctx.play: file "),
        ("ctx.ivr(null, 1, 1, 1, 'x'.repeat(3_000_000))", "ctx.ivr: terminators "),
        ("ctx.ivr(null, 1, 1, 1, '#', { regexp: 'x'.repeat(3_000_000) })", "ctx.ivr: regexp "),
        ("ctx.ivr(null, 1, 1, 1, '#', 'tries')", "ctx.ivr: the options "),
        ("ctx.set('k', 'v'.repeat(3_000_000))", "ctx.set: value "),
        ("ctx.header('X-A\\r\\n', 'a')", "ctx.header: "),
        ("ctx.header('X-A', 'a\\r\\nX-B: b')", "ctx.header: "),
        ("ctx.header('X-A', {})", "ctx.header: "),
        ("ctx.header('X-A', 'x'.repeat(3_000_000))", "ctx.header: "),
        (
            "(ctx.header('Via', 'a'), ctx.answer().catch((error) => { ctx.header('Via', null); throw error; }))",
            "ctx.header: ",
        ),
        ("ctx.waitFor()", "ctx.waitFor: match "),
        ("ctx.waitFor('', '#')", "ctx.waitFor: match "),
        ("ctx.waitFor('1', null, 'soon')", "ctx.waitFor: timeout "),
        ("ctx.waitFor('1', null, -1)", "ctx.waitFor: timeout "),
        ("ctx.tts('x', '-f/etc/passwd')", "ctx.tts: voice "),
        ("ctx.tts('x', 'a\\r\\nb')", "ctx.tts: voice "),
        ("ctx.tts('x', 'v'.repeat(41))", "ctx.tts: voice "),
        ("ctx.play('user/' + 'x'.repeat(255) + '.wav')", "ctx.play: file "),
        ("ctx.play(Array(101).fill('user/a.wav'))", "ctx.play: file "),
        ("ctx.record('../a')", "ctx.record: filename "),
        ("ctx.record('x'.repeat(201))", "ctx.record: file "),
        ("ctx.set('k'.repeat(101), '')", "ctx.set: key "),
        ("ctx.set('k', 'v'.repeat(65537))", "ctx.set: value "),
        ("ctx.bridge('200', 'sometimes')", "ctx.bridge: continue_on "),
        ("ctx.bridge('200', true, 'yes')", "ctx.bridge: external "),
        ("ctx.bridge('200', true, false, { ringback: 'music.wav' })", "ctx.bridge: ringback "),
        ("ctx.bridge('200', true, false, { ringback: {} })", "ctx.bridge: ringback "),
    ],
)
async def test_what_is_too_long_or_of_no_use_is_named(action: str, argument: str, tmp_path: Path) -> None:
    assert refused(action, tmp_path).startswith(argument)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("'ivr/wait.wav'", [MediaFile("ivr/wait.wav", Path("ivr/wait.wav"))]),
        (
            "['user/one.wav', 'https://h/two.wav']",
            [MediaFile("user/one.wav", Path("acme/one.wav")), MediaUrl("https://h/two.wav")],
        ),
        ("null", []),
        ("[]", []),
    ],
)
async def test_what_a_caller_hears_while_it_rings(given: str, expected: list[Media], tmp_path: Path) -> None:
    action = performed(f"ctx.bridge('200', true, false, {{ ringback: {given} }})", tmp_path)
    sounds = (tmp_path / "sounds").resolve()
    assert action.ringback == [
        MediaFile(one.name, sounds / one.path) if isinstance(one, MediaFile) else one for one in expected
    ]


@pytest.mark.parametrize("given", ["'ivr/no.wav'", "['ivr/no.wav']"])
async def test_what_is_played_before_a_further_try(given: str, tmp_path: Path) -> None:
    action = performed(f"ctx.ivr('ivr/a.wav', 5, 1, 1, '#', {{ tries: 3, invalid_file: {given} }})", tmp_path)
    assert isinstance(action, Collect)
    assert action.invalid_prompt == [MediaFile("ivr/no.wav", (tmp_path / "sounds/ivr/no.wav").resolve())]
    assert action.tries == 3


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("'200'", ["trunk/default/200"]),
        ("200", ["trunk/default/200"]),
        ("['200', 'user/alice', 'sip:a@b']", ["trunk/default/200", "user/alice", "sip:a@b"]),
        ("'trunk/carrier/200'", ["trunk/carrier/200"]),
    ],
)
async def test_an_external_number_goes_out_by_the_default_trunk(
    destination: str, expected: list[str], tmp_path: Path
) -> None:
    action = performed(f"ctx.bridge({destination}, true, true)", tmp_path)
    assert isinstance(action, Bridge)
    assert action.destinations == expected
    assert performed("ctx.bridge('200', true, false)", tmp_path).destinations == ["200"]


@pytest.mark.parametrize("text", ["''", "'  '", "'\\n'"])
async def test_nothing_to_say_is_said_at_once_on_every_driver(text: str, tmp_path: Path) -> None:
    assert performed(f"ctx.tts({text})", tmp_path) == Play(media=[])


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("ctx.ivr(null, 1, 1, 1, '#', { trys: 3 })", "ctx.ivr has no option trys"),
        ("ctx.bridge('200', true, false, { ringBack: 'ivr/a.wav' })", "ctx.bridge has no option ringBack"),
        ("ctx.record('x', { Stereo: true })", "ctx.record has no option Stereo"),
    ],
)
async def test_an_option_that_there_is_none_of_is_a_warning_with_its_place(
    action: str, said: str, tmp_path: Path
) -> None:
    exchange = Exchange(f"async function main(data, ctx) {{\n  await {action};\n}}\n", tmp_path)
    call = exchange.call()
    assert call.under_way.action is not None
    call.hang_up()
    (warning,) = exchange.record.warnings
    assert warning.message == said
    assert ":2:" in warning.location


@pytest.mark.parametrize(
    "body",
    [
        "await ctx.play('../x');",
        "ctx.play('../x').catch(() => {});",
        "ctx.set('k'.repeat(101), '').catch(() => {});",
        "const f = (n) => (n ? f(n - 1) : ctx.play('../x')); await f(60);",
    ],
)
async def test_what_cannot_be_is_in_the_record_with_its_place_however_the_script_takes_it(
    body: str, tmp_path: Path
) -> None:
    exchange = Exchange(f"async function main(data, ctx) {{\n  {body}\n}}\n", tmp_path)
    assert exchange.call().ended
    (warning,) = exchange.record.warnings
    assert warning.message.startswith(("ctx.play: file ", "ctx.set: key "))
    assert warning.location.startswith("menu.js:2:")


@pytest.mark.parametrize("seconds", ["Infinity", "1e12", "3e6"])
async def test_a_wait_longer_than_a_timer_can_be_lasts(seconds: str, tmp_path: Path) -> None:
    exchange = Exchange(main(f"await ctx.log(await ctx.waitFor('1', '', {seconds}))"), tmp_path)
    call = exchange.call()
    assert not call.ended
    for digit in "21":
        call.tell(DigitPressed(digit=digit, duration_ms=100))
    assert exchange.record.log == ["1"]


def failing(body: str, tmp_path: Path) -> tuple[Exchange, MemoryCall]:
    exchange = Exchange(f"async function main(data, ctx) {{\n{body}\n}}\n", tmp_path)
    return exchange, exchange.call()


@pytest.mark.parametrize("action", ["ctx.play('missing.wav')", "ctx.bridge('trunk/../x')", "ctx.echo(-1)"])
async def test_a_refused_action_that_nobody_catches_has_its_place(action: str, tmp_path: Path) -> None:
    exchange, _ = failing(f"const a = 1;\n  await {action};", tmp_path)
    record = exchange.record
    assert (record.outcome, record.code) == ("script_error", 500)
    assert record.error.startswith(f"TypeError: {action.partition('(')[0]}: ")
    # The engine's column is that of the method's name.
    assert record.error_location == "menu.js:3:13"


async def test_a_failed_action_that_nobody_catches_has_its_place(tmp_path: Path) -> None:
    exchange, call = failing(
        "await ctx.answer();\n"
        "await speak(ctx);\n}\n"
        "async function speak(ctx) {\n"
        "  await ctx.play('user/missing.wav');",
        tmp_path,
    )  # fmt: skip
    call.under_way.end()
    call.under_way.end(Failed("there is no user/missing.wav"))
    record = exchange.record
    assert (record.outcome, record.error) == ("script_error", "Error: there is no user/missing.wav")
    assert record.error_location == "menu.js:6:13"


async def test_a_wait_that_nobody_catches_has_its_place(tmp_path: Path) -> None:
    exchange, _ = failing("await ctx.answer;\nawait ctx.waitFor('#', null, 1);", tmp_path)
    exchange.runner.runs[0].pass_time(1000)
    record = exchange.record
    assert (record.error, record.error_location) == ("Error: waitFor timed out", "menu.js:3:11")


async def test_a_hang_up_is_no_failure_for_its_place(tmp_path: Path) -> None:
    exchange, call = failing("await ctx.answer();", tmp_path)
    call.hang_up(by=HangupBy.CALLER)
    assert (exchange.record.outcome, exchange.record.error) == ("hung_up", "")
