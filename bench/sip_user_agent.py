"""Call set-ups a second and CPU per call of the SIP user agent, against SIPp on loopback.

    python -m bench.sip_user_agent [--rate 500] [--seconds 10] [--profile]

Each call is INVITE, 100, 180, 200, ACK, BYE, 200 over UDP, answered at once, without media. The CPU is that of this
process alone. SIPp shares the machine: only on a quiet one does the rate say anything.
"""

import argparse
import asyncio
import cProfile
import pstats
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import uvloop

from sipio.call_control import CallLimits
from sipio.sip.endpoint import SipEndpoint, SipListener
from sipio.sip.events import CallReceived, SessionEnded, SipEvent
from sipio.sip.media_description import LocalMedia
from sipio.sip.settings import UserAgentSettings

SCENARIO: Final = Path(__file__).parent.parent / "tests" / "acceptance" / "sipp" / "agent_call_in.xml"
MEDIA: Final = LocalMedia(host="127.0.0.1", port=40_000)


async def measure(rate: int, seconds: int) -> None:
    sipp = shutil.which("sipp")
    if sipp is None:
        sys.exit("sipp is not installed")
    ended = 0

    def on_event(event: SipEvent) -> None:
        nonlocal ended
        if isinstance(event, CallReceived):
            event.session.ring()
            event.session.accept(MEDIA)
        elif isinstance(event, SessionEnded):
            ended += 1

    endpoint = SipEndpoint([SipListener(port=0)], UserAgentSettings(limits=CallLimits(calls=100_000)), on_event)
    await endpoint.start()
    calls = rate * seconds
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as directory:
        before, began = resource.getrusage(resource.RUSAGE_SELF), loop.time()
        process = await asyncio.create_subprocess_exec(
            sipp, "-sf", str(SCENARIO), "-i", "127.0.0.1", f"127.0.0.1:{endpoint.addresses[0].port}",
            "-m", str(calls), "-r", str(rate), "-l", str(calls), "-d", "10", "-s", "100", "-nostdin",
            "-timeout", f"{seconds * 4 + 20}s",
            cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        took, after = loop.time() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    text = output.decode("latin-1")
    again = [line.strip() for line in text.splitlines() if "Retransmissions" in line or "Retrans" in line]
    print(f"{calls} calls at {rate}/s in {took:.1f} s, {ended} ended, SIPp's exit status {process.returncode}")
    print(
        f"{cpu / calls * 1000:.3f} ms CPU a call, {calls / took:.0f} calls/s, "
        f"{endpoint.snapshot().messages_in} messages in"
    )
    print(f"peak memory {after.ru_maxrss / 1024:.0f} MB", *again[-1:])
    await endpoint.close(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    uvloop.run(measure(arguments.rate, arguments.seconds))
    if arguments.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    main()
