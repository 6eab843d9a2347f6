"""FreeSWITCH's own event socket, for commands that place calls; what answers connects back to the listener."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

PASSWORD = "ClueCon"
_ORIGINATE = re.compile(r"bgapi originate \{(?P<variables>[^}]*)\}(?P<dial>\S+) '&socket\((?P<back>\S+) async full\)'")


class Originate:
    """One ``bgapi originate`` that was received."""

    def __init__(self, variables: dict[str, str], dial: str, back: str, say: Callable[[str], None]) -> None:
        self.variables = variables
        self.dial = dial
        self.back = back
        self._say = say

    def ends(self, said: str) -> None:
        """The job is over."""
        self._say(said)


class InboundSocket:
    """The server. ``originated`` is given each call; what it does not end rings on."""

    def __init__(self, originated: Callable[[Originate], Awaitable[None]]) -> None:
        self.originated = originated
        self.commands: list[str] = []
        self.changed = asyncio.Event()
        self.port = 0
        self.open = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in list(self._writers):
            writer.close()
        await self.until(lambda: self.open == 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self._writers.add(writer)
        writer.write(b"Content-Type: auth/request\n\n")
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                command = (await reader.readuntil(b"\n\n")).decode().strip()
                self.commands.append(command)
                self._answer(command, writer)
                self.changed.set()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self._writers.discard(writer)
        self.open -= 1
        self.changed.set()

    def _answer(self, command: str, writer: asyncio.StreamWriter) -> None:
        if command.startswith("auth "):
            accepted = command == f"auth {PASSWORD}"
            writer.write(_reply("+OK accepted" if accepted else "-ERR invalid"))
        elif match := _ORIGINATE.match(command):
            job = command.partition("Job-UUID: ")[2]
            writer.write(_reply(f"+OK Job-UUID: {job}"))
            pairs = (one.partition("=") for one in match["variables"].split(","))
            variables = {name: value for name, _, value in pairs}

            def say(said: str) -> None:
                body = f"{said}\n".encode()
                event = f"Event-Name: BACKGROUND_JOB\nJob-UUID: {job}\nContent-Length: {len(body)}\n\n".encode() + body
                writer.write(f"Content-Length: {len(event)}\nContent-Type: text/event-plain\n\n".encode() + event)

            originate = Originate(variables, match["dial"], match["back"], say)
            task = asyncio.ensure_future(self.originated(originate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            writer.write(_reply("+OK"))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def _reply(text: str) -> bytes:
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()
