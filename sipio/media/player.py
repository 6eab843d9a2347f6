"""What one session is playing, and for whom: play, echo, ringing tone, collect. One at a time; no sockets."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sipio.call_control import ActionResult, Collect, Done, Failed, Media, PendingAction, Stopped
from sipio.digit_entry import BadPattern
from sipio.media.collector import Collected, CollectStep, DigitCollector, PlayPrompt, StopPrompt
from sipio.media.errors import MediaFailed
from sipio.media.g711 import SILENCE, Law, translation
from sipio.media.library import SoundLibrary
from sipio.media.source import Delay, Source

ActionDone = Callable[[ActionResult], None]

LONGEST_ECHO_MS: Final = 60_000
"""The longest delay of an echo: frames are held for as long."""

_A = TypeVar("_A", bound="Activity")


class Activity:
    """An action under way, whose result is told once."""

    __slots__ = ("_done", "_player", "finished")

    def __init__(self, player: "Player", done: ActionDone) -> None:
        self._player: Final = player
        self._done: Final = done
        self.finished = False

    def stop(self) -> None:
        """End it early: Stopped. Idempotent, and nothing once it is finished."""
        self.finish(Stopped())

    def finish(self, result: ActionResult) -> None:
        """End with this result, unless it has ended before."""
        if self.finished:
            return
        self.finished = True
        self._release()
        self._player.release(self)
        self._done(result)

    def digit(self, digit: str) -> None:
        """A digit was pressed."""

    def source_ended(self, error: MediaFailed | None) -> None:
        """What it had the player play is through, or failed."""
        self.finish(Done() if error is None else Failed(str(error)))

    def _release(self) -> None:
        """Let go of timers."""


class Collecting(Activity):
    """A `Collect` under way."""

    __slots__ = ("_collector", "_timer")

    def __init__(self, player: "Player", done: ActionDone, collector: DigitCollector) -> None:
        super().__init__(player, done)
        self._collector: Final = collector
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        steps = self._collector.start(self._player.loop.time())
        if steps and isinstance(steps[-1], Collected):
            # What was typed ahead was enough; but nobody is told before they know of the action.
            self._player.loop.call_soon(self.finish, Done(steps[-1].digits))
        else:
            self._take(steps)

    def digit(self, digit: str) -> None:
        self._take(self._collector.digit(digit, self._player.loop.time()))

    def source_ended(self, error: MediaFailed | None) -> None:
        if error is not None:
            self.finish(Failed(str(error)))
            return
        self._take(self._collector.prompt_finished(self._player.loop.time()))

    def _take(self, steps: list[CollectStep]) -> None:
        for step in steps:
            match step:
                case PlayPrompt(media=media):
                    self._player.set_media(media)
                case StopPrompt():
                    self._player.set_source(None)
                case Collected(digits=digits):
                    self.finish(Done(digits))
                    return
        self._release()
        if self._collector.deadline is not None:
            self._timer = self._player.loop.call_at(self._collector.deadline, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        # A timer may run a clock tick early.
        self._take(self._collector.timer(max(self._player.loop.time(), self._collector.deadline or 0.0)))

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Player:
    """Gives a frame a tick while something is to be heard."""

    __slots__ = ("_activity", "_law", "_library", "_source_law", "_table", "loop", "source")

    def __init__(self, library: SoundLibrary, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: Final = loop
        self._library: Final = library
        self._law = Law.PCMU
        self._source_law = Law.PCMU
        self._table: bytes | None = None
        self.source: Source | None = None
        """What is heard; None for nothing."""
        self._activity: Activity | None = None

    def set_law(self, law: Law) -> None:
        """Give frames in this law from now on."""
        self._law = law
        if isinstance(self.source, Delay):
            # It repeats what is heard, which comes in the new law.
            self.source.restart(law)
            self._source_law = law
        self._table = translation(self._source_law, law)

    def play(self, media: Sequence[Media], done: ActionDone, *, repeat: bool) -> PendingAction:
        activity = self._replace(Activity(self, done))
        self.set_media(media, repeat=repeat)
        return activity

    def play_source(self, source: Source, done: ActionDone) -> PendingAction:
        """A source that gives frames in the player's law."""
        activity = self._replace(Activity(self, done))
        self.set_source(source)
        return activity

    def ringback(self, country: str) -> PendingAction:
        return self.play_source(self._library.ringback(country, self._law), lambda _: None)

    def echo(self, heard: Callable[[], bytes], delay_ms: int, done: ActionDone) -> PendingAction:
        """Give back what is heard; ``heard`` gives the frame of this tick."""
        frames = min(max(delay_ms, 0), LONGEST_ECHO_MS) // 20
        return self.play_source(Delay(heard, frames, self._law), done)

    def collect(self, action: Collect, done: ActionDone) -> PendingAction:
        try:
            collector = DigitCollector(action)
        except BadPattern as error:
            failed = self._replace(Activity(self, done))
            self.loop.call_soon(failed.finish, Failed(str(error)))
            return failed
        collecting = Collecting(self, done, collector)
        self._replace(collecting)
        collecting.start()
        return collecting

    def digit(self, digit: str) -> None:
        """A digit was pressed."""
        if self._activity is not None:
            self._activity.digit(digit)

    def end(self, result: ActionResult) -> None:
        """Finish what is under way, if anything is."""
        if self._activity is not None:
            self._activity.finish(result)

    def next_frame(self) -> bytes | None:
        """The frame to be sent; None where there is nothing (any more)."""
        source = self.source
        if source is None:
            return None
        try:
            frame = source.next_frame()
        except MediaFailed as error:
            self._ended(error)
            return None
        if frame is None:
            self._ended(None)
            return None
        if not frame:
            return SILENCE[self._law]
        return frame if self._table is None else frame.translate(self._table)

    def set_media(self, media: Sequence[Media], *, repeat: bool = False) -> None:
        """Let this media be heard now. Only the present activity calls it."""
        self.set_source(self._library.playlist(media, self._law, repeat=repeat))

    def set_source(self, source: Source | None) -> None:
        """Let this source be heard now, or nothing. Only the present activity calls it."""
        self.source = source
        self._source_law = self._law
        self._table = None

    def release(self, activity: Activity) -> None:
        """Let an activity go that is finished."""
        if self._activity is activity:
            self._activity = None
            self.source = None

    def _replace(self, activity: _A) -> _A:
        self.end(Stopped())
        self._activity = activity
        return activity

    def _ended(self, error: MediaFailed | None) -> None:
        self.source = None
        if self._activity is not None:
            self._activity.source_ended(error)
