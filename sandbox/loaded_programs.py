"""Programs that a worker has loaded, each as the layer that its runs begin from."""

from collections import OrderedDict

from sandbox.engine import LoadedProgram


class LoadedPrograms:
    """The programs used last, of ``most_bytes`` together; any other is loaded anew, which takes less than a
    millisecond for most."""

    __slots__ = ("_bytes", "_most_bytes", "_programs")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._programs: OrderedDict[str, LoadedProgram] = OrderedDict()

    def get(self, key: str) -> LoadedProgram | None:
        """The program of this key, if it is loaded."""
        program = self._programs.get(key)
        if program is not None:
            self._programs.move_to_end(key)
        return program

    def keep(self, program: LoadedProgram) -> None:
        """Keep a program. Those unused for longest make place."""
        self.forget(program.key)
        self._programs[program.key] = program
        self._bytes += program.size
        while self._bytes > self._most_bytes:
            self.forget(next(iter(self._programs)))

    def forget(self, key: str) -> None:
        """Let go of the program of this key."""
        program = self._programs.pop(key, None)
        if program is not None:
            self._bytes -= program.size
