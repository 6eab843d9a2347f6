"""The errors of this package: what a peer did wrong and what we did wrong are different types."""


class SipioError(Exception):
    """Base of every error that sipio raises."""


class PeerError(SipioError):
    """A peer sent something it should not have. The connection or the one request pays, nobody else."""


class MalformedFrame(PeerError):
    """Bytes that are not the protocol. Nothing after them can be trusted, so the connection closes."""


class OversizedFrame(PeerError):
    """A frame longer than its named cap."""


class MalformedMessage(PeerError):
    """A well-framed message of the wrong shape. It is answered with an error and the connection lives."""


class LocalError(SipioError):
    """We were used wrongly or could not do our part: a bug or an operator's mistake, never the peer's fault."""
