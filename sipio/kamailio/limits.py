"""The bounds of the conversation with a Kamailio."""

import msgspec


class KamailioLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The named bounds; the operator's configuration documents them."""

    reconnect_min_seconds: float = 0.1
    reconnect_max_seconds: float = 5.0
    frame_bytes: int = 262_144
    in_flight: int = 4_096
