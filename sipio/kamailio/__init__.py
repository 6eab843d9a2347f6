"""Kamailio over its evapi module: we connect to it, it asks about calls, we answer."""

from sipio.kamailio.client import KamailioClient
from sipio.kamailio.limits import KamailioLimits
from sipio.kamailio.messages import CallEnded
from sipio.kamailio.snapshot import KamailioSnapshot

__all__ = ["CallEnded", "KamailioClient", "KamailioLimits", "KamailioSnapshot"]
