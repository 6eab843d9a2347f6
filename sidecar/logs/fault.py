"""What cannot be done for now: logged when that begins and when it is over, and not each time that it is tried."""

from typing import Final

from sidecar.logs.logger import ActionLogger

FAULT_CHARACTERS: Final = 300
"""Of what ``/health`` says of it."""


class Fault:
    """Of one thing that is tried again and again."""

    def __init__(self, logger: ActionLogger, begins: str, ends: str) -> None:
        """``begins`` and ``ends`` are the actions of the log's two lines."""
        self._logger = logger
        self._begins = begins
        self._ends = ends
        self.text = ""
        """Why it cannot be done; empty while it can."""

    def found(self, text: str) -> None:
        """It was tried: what was the fault, or empty where it went well."""
        if text and not self.text:
            self._logger.error(self._begins, error=text)
        elif self.text and not text:
            self._logger.info(self._ends)
        self.text = text[:FAULT_CHARACTERS]

    def crashed(self, text: str) -> None:
        """It was tried, and failed of ours: the exception being handled is logged each time."""
        self._logger.exception(self._begins)
        self.text = text
