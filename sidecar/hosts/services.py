"""What the modules of the host work with: one of each for the process, made when it is first needed."""

from sidecar.hosts.broker import Broker


class Services:
    """The process's own. Lives on one event loop."""

    def __init__(self) -> None:
        self.broker = Broker()
