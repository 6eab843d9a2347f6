"""Kamailio over its evapi module: we connect to it, it asks about calls, we answer."""

from sipio.evapi.client import EvapiClient
from sipio.evapi.messages import CallEnded
from sipio.evapi.peer import EvapiLimits, PeerSnapshot

__all__ = ["CallEnded", "EvapiClient", "EvapiLimits", "PeerSnapshot"]
