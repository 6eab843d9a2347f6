"""Actions that are heard: play, echo, collect."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sipio.call_control import (
    ActionResult,
    Collect,
    Digits,
    Done,
    Echo,
    Failed,
    HungUpDuring,
    Media,
    MediaFile,
    MediaText,
    MediaUrl,
    Play,
)
from sipio.digit_entry import Again, DigitEntry
from sipio.errors import LocalError
from sipio.freeswitch.event_socket import Event
from sipio.freeswitch.leg import KillLeg, Leg, LegAction
from sipio.freeswitch.settings import Obtaining
from sipio.freeswitch.timers import CallTimer


class Sound:
    """One sound as an application and its argument; a text or a URL may have to become a file first."""

    def __init__(self, leg: Leg, media: Media) -> None:
        self._leg = leg
        self._media = media
        self._obtaining: Obtaining | None = None
        self._cancelled = False

    def prepare(self, ready: Callable[[str, str], None], failed: Callable[[str], None]) -> None:
        """Call one of the two, once, later or before this returns."""
        environment = self._leg.environment
        media = self._media
        if isinstance(media, MediaFile):
            ready("playback", str(media.path))
            return
        if isinstance(media, MediaUrl) and environment.settings.url_prefix:
            ready("playback", f"{environment.settings.url_prefix}{media.url}")
            return
        if isinstance(media, MediaText) and environment.settings.speech:
            engine, _, voice = environment.settings.speech.partition("|")
            ready("speak", f"{engine}|{(media.voice or voice).replace('|', ' ')}|{media.text}")
            return
        if environment.media is None:
            failed("there is nothing to speak with" if isinstance(media, MediaText) else "URLs are not fetched here")
            return

        def obtained(found: Path | str) -> None:
            if self._cancelled:
                return
            if isinstance(found, Path):
                ready("playback", str(found))
            else:
                failed(found)

        self._obtaining = environment.media.obtain(media, obtained)

    def cancel(self) -> None:
        """Stop making it: it is not wanted any more."""
        self._cancelled = True
        if self._obtaining is not None:
            self._obtaining.cancel()


class Playlist:
    """Plays sounds one after the other in the foreground."""

    def __init__(self, leg: Leg, media: Sequence[Media], done: Callable[[str], None]) -> None:
        """``done`` gets nothing, or in words what went wrong; it is not called after `stop`."""
        self._leg = leg
        self._left = list(media)
        self._done = done
        self._sound: Sound | None = None
        self._playing = False

    def start(self) -> None:
        self._next()

    def stop(self) -> None:
        """Fall silent."""
        self._done = _ignore
        self._left.clear()
        if self._sound is not None:
            self._sound.cancel()
            self._sound = None
        if self._playing:
            self._playing = False
            self._leg.foreground.stop()

    def _next(self) -> None:
        if not self._left:
            self._finish("")
            return
        media = self._left.pop(0)
        self._sound = Sound(self._leg, media)

        def ready(application: str, argument: str) -> None:
            self._sound = None
            try:
                self._leg.foreground.start(application, argument, lambda event: self._played(media, event))
            except LocalError as error:
                self._end(str(error))
            else:
                self._playing = True

        self._sound.prepare(ready, self._end)

    def _played(self, media: Media, event: Event) -> None:
        self._playing = False
        response = event.get("Application-Response")
        if response == "FILE NOT FOUND":
            self._end(f"there is no {_name(media)}")
        elif response == "PLAYBACK ERROR":
            # Also what a playback says that a hang-up has ended: then the hang-up's own event follows.
            if not self._leg.gone:
                self._end(f"{_name(media)} could not be played")
        elif not self._leg.gone:
            self._next()

    def _end(self, problem: str) -> None:
        self._sound = None
        self._left.clear()
        self._finish(problem)

    def _finish(self, problem: str) -> None:
        # It is told once, by whom it is held.
        done, self._done = self._done, _ignore
        done(problem)


def _ignore(problem: str) -> None:
    """In place of telling somebody who was told, or does not want to know any more."""


def _name(media: Media) -> str:
    if isinstance(media, MediaFile):
        return media.name
    return media.url if isinstance(media, MediaUrl) else "spoken text"


class Playing(LegAction):
    """Carries out a `Play`."""

    def __init__(self, leg: Leg, action: Play, done: Callable[[ActionResult], None]) -> None:
        super().__init__(leg, done)
        self._playlist = Playlist(leg, action.media, self._played)

    def start(self) -> None:
        self._playlist.start()

    def release(self) -> None:
        self._playlist.stop()

    def _played(self, problem: str) -> None:
        self.finish(Failed(problem) if problem else Done())


class Echoing(LegAction):
    """`Echo`, as a bridge to a loopback leg that echoes.

    Measured on FreeSWITCH 1.10.12: while ``echo`` runs no digit is reported, and ``delay_echo`` cannot be broken off,
    not even by a hang-up. In a bridge digits are reported, and it ends when its other leg does.
    """

    def __init__(self, leg: Leg, action: Echo, done: Callable[[ActionResult], None]) -> None:
        super().__init__(leg, done)
        self._action = action
        self._kill: KillLeg | None = None

    def start(self) -> None:
        delay = self._action.delay_ms
        uuid = self.leg.environment.new_uuid()
        self._kill = KillLeg(self.leg, uuid)
        application = f"delay_echo:{delay}" if delay > 0 else "echo"
        argument = f"{{origination_uuid={uuid}}}loopback/app={application}"
        self.leg.foreground.start("bridge", argument, self._completed)

    def release(self) -> None:
        if self._kill is not None:
            self._kill.start()

    def _completed(self, _event: Event) -> None:
        if self._kill is not None:
            self._kill.gone = True
        if not self.leg.gone:
            self.finish(Done())


class Collecting(LegAction):
    """Carries out a `Collect`: FreeSWITCH plays, the digits are judged here."""

    def __init__(self, leg: Leg, action: Collect, done: Callable[[ActionResult], None]) -> None:
        """``action.pattern`` is compiled here: raises LocalError where it is no regular expression."""
        super().__init__(leg, done)
        self._action = action
        self._collector = DigitEntry(action)
        self._playlist: Playlist | None = None
        self._timer: CallTimer | None = None

    def start(self) -> None:
        if self._action.typed_ahead:
            self._act(self._collector.begin())
        else:
            self._prompt(self._action.prompt)

    def digit(self, digit: str) -> None:
        """Take a digit that the caller pressed; it ends the prompt."""
        if self.over:
            return
        self._silence()
        self._act(self._collector.digit(digit))

    def release(self) -> None:
        self._silence()
        if self._timer is not None:
            self._timer.cancel()

    def _prompt(self, media: Sequence[Media]) -> None:
        self._playlist = Playlist(self.leg, media, self._prompted)
        self._playlist.start()

    def _prompted(self, problem: str) -> None:
        self._playlist = None
        if problem:
            self.finish(HungUpDuring() if self.leg.gone else Failed(problem))
        else:
            self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.leg.timers.after(self._action.timeout_seconds, self._expired)

    def _expired(self) -> None:
        self._act(self._collector.expired())

    def _act(self, verdict: Digits | Again | None) -> None:
        if verdict is None:
            self._wait()
            return
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(verdict, Digits):
            self.finish(Done(verdict))
        else:
            self._prompt([*self._action.invalid_prompt, *self._action.prompt])

    def _silence(self) -> None:
        if self._playlist is not None:
            self._playlist.stop()
            self._playlist = None
