"""Phones that log in at the SIP agent, against the whole daemon: what SIPp knows of digests, and reloads."""

import re
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.acceptance.processes import free_port, require_program
from tests.acceptance.raw_sip import raw_caller
from tests.acceptance.voice_daemon import VoiceDaemon

SCENARIO = Path(__file__).parent / "sipp" / "register.xml"
SCRIPTS = {"echo": "await ctx.answer(); await ctx.echo()"}
HOST = "127.0.0.69"


def user(name: str, *algorithms: str, key: str = "secret") -> str:
    chosen = f"algorithms = {list(algorithms)}\n" if algorithms else ""
    return f'[[user]]\nname = "{name}"\npassword = "{key}"\n{chosen}'


def registers(directory: Path, daemon: VoiceDaemon, name: str, key: str = "secret") -> bool:
    """Whether SIPp, which knows MD5 alone, can register as this user."""
    values = directory / f"{name}.csv"
    values.write_text(f"SEQUENTIAL\n{name};[authentication username={name} password={key}]\n")
    done = subprocess.run(
        [
            require_program("sipp"), f"{daemon.host}:{daemon.port}", "-i", HOST, "-p", str(free_port(HOST)),
            "-sf", str(SCENARIO), "-inf", str(values), "-m", "1", "-nostdin", "-timeout", "10s", "-timeout_error",
        ],
        cwd=directory, capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    return done.returncode == 0


def test_phones_that_know_only_md5_register_where_they_are_offered_it(tmp_path: Path) -> None:
    accounts = user("only", "MD5") + user("first", "MD5", "SHA-256") + user("other")
    daemon = VoiceDaemon(tmp_path, SCRIPTS, accounts=accounts).ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        assert registers(tmp_path, daemon, "only")
        assert registers(tmp_path, daemon, "first")
        # SIPp takes the first challenge or none.
        assert not registers(tmp_path, daemon, "other")


def test_the_algorithms_of_everybody_are_the_operators(tmp_path: Path) -> None:
    daemon = VoiceDaemon(tmp_path, SCRIPTS, accounts=user("alice"), sip='digest_algorithms = ["MD5"]').ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        assert registers(tmp_path, daemon, "alice")


def test_a_reload_takes_other_accounts_and_leaves_calls_and_phones_alone(tmp_path: Path) -> None:
    daemon = VoiceDaemon(tmp_path, SCRIPTS, accounts=user("alice", "MD5")).ready()
    file = tmp_path / "sip.toml"
    program = daemon.serving.program
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        caller = stack.enter_context(raw_caller((daemon.host, daemon.port), "echo"))
        caller.up()
        assert registers(tmp_path, daemon, "alice")
        assert not registers(tmp_path, daemon, "bob")
        since = program.position
        file.write_text(user("alice", "MD5") + user("bob", "MD5"))
        daemon.serving.send(signal.SIGHUP)
        program.wait_for('"action":"sip_accounts"', since)
        assert registers(tmp_path, daemon, "bob")
        # The phone of the user that stayed was not told to anybody as gone.
        assert not program.lines('"action":"phone","user":"alice","contacts":\\[\\]', since)

        since = program.position
        file.write_text("[[user]]\nname = 3\n")
        daemon.serving.send(signal.SIGHUP)
        assert "expected" in program.wait_for('"action":"sip_accounts_refused"', since).lower()
        assert registers(tmp_path, daemon, "bob")

        since = program.position
        file.write_text(user("bob", "MD5", key="changed"))
        daemon.serving.send(signal.SIGHUP)
        program.wait_for('"action":"phone","user":"alice","contacts":\\[\\]', since)
        assert not registers(tmp_path, daemon, "bob")
        line = program.wait_for('"action":"login_failed"', since)
        assert re.search(f'"action":"login_failed","source":"{HOST}","port":\\d+,"transport":"udp"', line)
        assert registers(tmp_path, daemon, "bob", "changed")
        caller.bye()
