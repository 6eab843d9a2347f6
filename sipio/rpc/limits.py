"""The caps of a MessagePack-RPC server, each with its reason."""

import msgspec


class RpcLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and times that one server allows its peers."""

    frame_bytes: int = 1_048_576
    """The longest message: what one peer may make us hold before we know what it is."""
    connections: int = 256
    """Connections at once over all sockets, TLS handshakes included: descriptors and buffers are finite."""
    in_flight_per_connection: int = 4_096
    """Requests of one connection being worked on, so that one peer cannot take all of ``in_flight``."""
    in_flight: int = 16_384
    """Requests of all connections being worked on. Past it a refusal at once beats an answer too late."""
    idle_seconds: float = 0.0
    """A connection with no message for this long, and none being worked on, is closed; 0 never."""
    partial_frame_seconds: float = 5.0
    """A message begun but not completed in this time closes its connection: a slow sender holds a buffer."""
    output_bytes: int = 8_388_608
    """Answers a peer has not read; past it the connection is closed."""

    @property
    def output_low_bytes(self) -> int:
        """Unread answers above which nothing more is read from the peer: early enough that a peer which only
        reads late never meets ``output_bytes``."""
        return self.output_bytes // 8
