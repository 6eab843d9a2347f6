"""FreeSWITCH's end of an event socket: commands in, replies and events out, encoded as FreeSWITCH encodes them."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

_END_OF_COMMAND = re.compile(rb"\r?\n\r?\n")
_SAFE = "/,:;@!$&'()*?~[]|<>"


def encode(value: str) -> str:
    """As FreeSWITCH encodes values of events: ``/`` and ``,`` stay, a literal percent sign is left alone."""
    return quote(value, safe=_SAFE + "%")


class FreeswitchWire:
    """Bytes in, bytes out; each whole command goes to ``command`` as its head and its body."""

    def __init__(self, command: Callable[[str, str], None]) -> None:
        self.closed = False
        self.events: set[str] = set()
        """Names of the events that were asked for."""
        self.filters: set[str] = set()
        """Channels whose events are let through; all are where there is none."""
        self._command = command
        self._input = b""
        self._output: list[bytes] = []

    def take(self) -> bytes:
        output = b"".join(self._output)
        self._output.clear()
        return output

    def receive(self, data: bytes) -> None:
        self._input += data
        while not self.closed and (found := _END_OF_COMMAND.search(self._input)):
            head = self._input[: found.start()].decode()
            length = re.search(r"(?im)^content-length: *(\d+)", head)
            end = found.end() + (int(length[1]) if length else 0)
            if len(self._input) < end:
                return
            body = self._input[found.end() : end].decode()
            self._input = self._input[end:]
            self._command(head, body)

    def reply(self, text: str) -> None:
        self._frame("command/reply", f"Reply-Text: {text}")

    def api_response(self, body: str) -> None:
        self._frame("api/response", body=body)

    def channel_data(self, values: Mapping[str, str], control: str) -> None:
        """The answer to ``connect``: a reply that carries values as an event does, and no length."""
        text = "".join(f"{key}: {encode(value)}\n" for key, value in values.items())
        tail = "Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: async\nControl: "
        self._output.append(f"{text}{tail}{control}\n\n".encode())

    def wants(self, name: str, uuid: str) -> bool:
        """Whether an event was asked for and the filter lets it through."""
        wanted = "ALL" in self.events or name in self.events
        return wanted and (not self.filters or uuid in self.filters) and not self.closed

    def event(self, values: Mapping[str, str]) -> None:
        body = "".join(f"{key}: {encode(value)}\n" for key, value in values.items()) + "\n"
        self._output.append(f"Content-Length: {len(body.encode())}\nContent-Type: text/event-plain\n\n{body}".encode())

    def notice(self, uuid: str, disposition: str) -> None:
        """The disconnect notice; after ``linger`` the connection stays for now."""
        self._frame(
            "text/disconnect-notice",
            f"Controlled-Session-UUID: {uuid}",
            f"Content-Disposition: {disposition}",
            "Channel-Name: sofia/internal/x",
            "Linger-Time: -1",
            body="" if disposition == "linger" else "Disconnected, goodbye.\nSee you at ClueCon!\n",
        )

    def _frame(self, kind: str, *lines: str, body: str | None = None) -> None:
        text = "".join(f"{line}\n" for line in (f"Content-Type: {kind}", *lines))
        if body is not None:
            text += f"Content-Length: {len(body.encode())}\n"
        self._output.append(f"{text}\n{body or ''}".encode())
