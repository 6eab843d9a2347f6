"""What makes one run go as it went: its seed, and for each of its turns the clock and what it began with.

Program and input are the invocation's. The rest of what a run can see comes from its recording (`sandbox.repetition`
has one go the same way again), but for the processor time that ends it, the memory that others leave it, and what is
the machine's own: its time zone, its data of locales and zones. The random bytes of ``crypto`` come from a key that
each recorded run has for itself, and that its seed and what Math.random gives tell nothing of: who has the recording
has them again, and nobody else.
"""

from typing import Final, TypeAlias

import msgspec

VERSION: Final = 1
"""Of what a recording holds. Another is refused."""
RECORDING_BYTES: Final = 1_000_000
"""Of what a run asked and was answered, and TURN_BYTES for each of its turns: the daemon holds it as long as the run
lasts. A call that has asked for 2,000 actions is within it."""
RANDOM_KEY_BYTES: Final = 32
TURN_BYTES: Final = 200
"""What a turn takes beside its bytes."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a run, from what woke it to where it waited or ended."""

    clock: float
    """The run's time when it began, in milliseconds since 1970."""
    call_id: int = 0
    """The host call whose answer woke it; 0 for a timer, and for the first turn."""
    succeeded: bool = True
    """Whether that was answered with a value."""
    answer: bytes = b""
    """The value, or the error's properties, as MessagePack."""
    asked: bytes = b""
    """Its host calls as MessagePack, ``[[id, name, [argument, ...]], ...]``; empty where there are none."""


class Recording(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run as it went. Can be kept as MessagePack. Raises ValueError for one of another version, or without turns."""

    version: int = VERSION
    seed: int
    random_key: bytes = b""
    """Of the random bytes of ``crypto``; empty for a secret that its workers had."""
    turns: tuple[Turn, ...]
    """From its beginning; what became of the last one is the run's outcome."""

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"a recording of version {self.version}; this is {VERSION}")
        if not self.turns:
            raise ValueError("a recording has at least the turn that its run began with")


class Unrecorded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """There is no recording of a run that was to have one."""

    reason: str


Recorded: TypeAlias = Recording | Unrecorded


class Recorder:
    """Records one run, from what its worker tells of it and what its host answers."""

    __slots__ = ("_answers", "_asked", "_begun", "_bytes", "_turns", "clock", "random_key", "seed")

    def __init__(self, seed: int, clock: float, random_key: bytes) -> None:
        self.seed = seed
        self.random_key = random_key
        self.clock = clock
        self._turns: list[Turn] = []
        self._answers: dict[int, tuple[bool, bytes]] = {}
        """Of calls whose turn has not begun."""
        self._bytes = 0
        self._begun: Turn | None = None
        self._asked = b""
        self.begin()

    def begin(self) -> None:
        """The run begins, or begins anew: nothing of it was seen before."""
        self._turns.clear()
        self._answers.clear()
        self._bytes = 0
        self._begun = Turn(clock=self.clock)
        self._asked = b""

    def answered(self, call_id: int, succeeded: bool, value: bytes) -> None:
        """The worker is sent the answer to a host call."""
        self._take(len(value))
        if self._fits:
            self._answers[call_id] = (succeeded, value)

    def turn_begun(self, clock: float, call_id: int) -> None:
        """The run goes on, with the answer to a host call or, of 0, with a timer."""
        self._take(TURN_BYTES)
        # It stays among the answers until the turn has come to its end: of one that is lost with its worker another
        # may begin with it.
        succeeded, answer = self._answers.get(call_id, (True, b""))
        self._begun = Turn(clock=clock, call_id=call_id, succeeded=succeeded, answer=answer)

    def turn_asked(self, calls: bytes) -> None:
        """The turn under way has asked something of its host."""
        self._take(len(calls))
        if self._fits:
            self._asked = calls

    def turn_lost(self) -> None:
        """The turn under way is lost with its worker: another begins from where this one did."""
        self._begun = None
        self._asked = b""

    def turn_ended(self) -> None:
        """The run waits, or is over."""
        begun, self._begun = self._begun, None
        if begun is not None and self._fits:
            self._answers.pop(begun.call_id, None)
            self._turns.append(msgspec.structs.replace(begun, asked=self._asked) if self._asked else begun)
        self._asked = b""

    def recording(self) -> Recorded:
        """The run up to now. Of a turn that has not come to its end there is what it began with."""
        self.turn_ended()
        if not self._fits:
            return Unrecorded(reason=f"what it was given and asked has more than {RECORDING_BYTES} bytes")
        return Recording(seed=self.seed, random_key=self.random_key, turns=tuple(self._turns))

    @property
    def turns(self) -> list[Turn]:
        """Those that have come to their end."""
        return self._turns

    @property
    def _fits(self) -> bool:
        return self._bytes <= RECORDING_BYTES

    def _take(self, size: int) -> None:
        self._bytes += size
        if not self._fits:
            self._turns.clear()
            self._answers.clear()
