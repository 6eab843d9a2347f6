"""Kamailio over its evapi module: we connect to it, it asks about calls, we answer."""

from sipio.kamailio.client import EvapiClient
from sipio.kamailio.messages import CallEnded
from sipio.kamailio.peer import EvapiLimits, PeerSnapshot

__all__ = ["CallEnded", "EvapiClient", "EvapiLimits", "PeerSnapshot"]
