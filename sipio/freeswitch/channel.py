"""One FreeSWITCH channel behind one connection: commands out, answers and completions matched to them. Sans-IO."""

from collections import deque
from collections.abc import Callable
from typing import Final

from sipio.errors import MalformedMessage
from sipio.freeswitch import commands
from sipio.freeswitch.event_socket import ApiResponse, CommandReply, Event
from sipio.freeswitch.timers import nothing

OUTSTANDING: Final = 2_000
"""Commands sent and not answered. FreeSWITCH answers each at once, so as many mean that it is stuck."""

ReplyHandler = Callable[[CommandReply | ApiResponse], None]
CompletionHandler = Callable[[Event], None]


class Channel:
    """What is sent on behalf of a call. Replies come in the order of commands; completions in any order.

    FreeSWITCH does not queue what it is told to execute: a second application runs inside the first. And it completes
    applications that nobody here began (``socket`` itself, at the end). So completions are matched by the
    Application-UUID, which is the Event-UUID that was sent, and never by their order.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """``wake`` is called when there is something to `take`."""
        self.uuid = ""
        self._wake = wake
        self._output: list[bytes] = []
        self._replies: deque[ReplyHandler | None] = deque()
        self._running: dict[str, CompletionHandler] = {}
        self._count = 0
        self._unexpanded = False
        """Whether FreeSWITCH has been told to leave ``${...}`` in arguments alone."""
        self.open = True

    def take(self) -> bytes:
        """What is to be written now."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def send(self, command: bytes, on_reply: ReplyHandler | None = None) -> None:
        """Queue a command; on a connection that is gone nothing is done."""
        if not self.open:
            return
        self._output.append(command)
        self._replies.append(on_reply)
        self._wake()

    def discard(self) -> None:
        """Forget what has not been taken yet."""
        for _ in self._output:
            self._replies.pop()
        self._output.clear()
        self._unexpanded = False

    def api(self, text: str, on_reply: ReplyHandler | None = None) -> None:
        """Have an API command run at once, beside whatever the channel is doing. Raises UnsafeText."""
        self.send(commands.line(f"api {text}"), on_reply)

    def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable; empty unsets it. Raises UnsafeText."""
        self.send(commands.set_variable(self.uuid, name, value))

    def execute(self, application: str, argument: str = "", on_complete: CompletionHandler | None = None) -> None:
        """Have an application run, inside the one that runs now if one does. Raises UnsafeText.

        An application that FreeSWITCH does not know hangs the call up and is never completed.
        """
        if not self._unexpanded:
            # An argument written by a script must not be expanded: ${system(...)} would run a program.
            self._unexpanded = True
            self.set_variable("app_disable_expand_variables", "true")
        self._count += 1
        event_uuid = f"{self.uuid}-{self._count}"
        command = commands.execute(application, argument, event_uuid)
        if on_complete is not None and self.open:
            self._running[event_uuid] = on_complete
        self.send(command)

    def replied(self, reply: CommandReply | ApiResponse) -> None:
        """Take an answer. Raises MalformedMessage where nothing was asked."""
        if not self._replies:
            raise MalformedMessage("an answer to a command that was not sent")
        handler = self._replies.popleft()
        if handler is not None:
            handler(reply)

    @property
    def stuck(self) -> bool:
        """Whether FreeSWITCH has stopped to answer commands."""
        return len(self._replies) > OUTSTANDING

    def completed(self, event: Event) -> None:
        """Take a CHANNEL_EXECUTE_COMPLETE, of an application of ours or not."""
        handler = self._running.pop(event.get("Application-UUID"), None)
        if handler is not None:
            handler(event)

    def close(self) -> None:
        """Send nothing more and complete nothing, since the connection is gone."""
        self.open = False
        self._replies.clear()
        self._running.clear()
        self._wake = nothing


class Foreground:
    """The application that occupies the channel: playback, echo, bridge. One at a time.

    A second one begun while the first is being broken off would run inside it, so it waits here for the first one's
    completion.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._busy = False
        self._handler: CompletionHandler | None = None
        self._next: tuple[str, str, CompletionHandler] | None = None

    def start(self, application: str, argument: str, on_complete: CompletionHandler) -> None:
        """Run an application, now or when the one before it is gone. Raises UnsafeText."""
        if self._busy:
            commands.execute(application, argument, "")  # refused now, not later
            self._next = application, argument, on_complete
            return
        self._busy = True
        self._handler = on_complete
        self._channel.execute(application, argument, self._completed)

    def abandon(self) -> None:
        """Let it run on without telling its completion."""
        self._next = None
        self._handler = None

    def stop(self) -> None:
        """Break it off; its handler is not called."""
        running = self._busy and self._handler is not None
        self.abandon()
        if running:
            # Not `all`: that throws away what was sent to be executed and has not been yet.
            self._channel.api(f"uuid_break {self._channel.uuid}")

    def _completed(self, event: Event) -> None:
        self._busy = False
        handler, self._handler = self._handler, None
        following, self._next = self._next, None
        if handler is not None:
            handler(event)
        if following is not None:
            self.start(*following)
