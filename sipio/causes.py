"""Q.850 causes and SIP statuses: which stands for which (RFC 3398 7.2.4.1 and 8.2.6.1, and what FreeSWITCH sends)."""

from typing import Final

from sipio.call_control import BridgeStatus

NAMES: Final = {
    1: "UNALLOCATED_NUMBER", 2: "NO_ROUTE_TRANSIT_NET", 3: "NO_ROUTE_DESTINATION", 6: "CHANNEL_UNACCEPTABLE",
    16: "NORMAL_CLEARING", 17: "USER_BUSY", 18: "NO_USER_RESPONSE", 19: "NO_ANSWER", 20: "SUBSCRIBER_ABSENT",
    21: "CALL_REJECTED", 22: "NUMBER_CHANGED", 23: "REDIRECTION_TO_NEW_DESTINATION", 25: "EXCHANGE_ROUTING_ERROR",
    27: "DESTINATION_OUT_OF_ORDER", 28: "INVALID_NUMBER_FORMAT", 29: "FACILITY_REJECTED",
    31: "NORMAL_UNSPECIFIED", 34: "NORMAL_CIRCUIT_CONGESTION", 38: "NETWORK_OUT_OF_ORDER",
    41: "NORMAL_TEMPORARY_FAILURE", 42: "SWITCH_CONGESTION", 44: "REQUESTED_CHAN_UNAVAIL",
    50: "FACILITY_NOT_SUBSCRIBED", 52: "OUTGOING_CALL_BARRED", 54: "INCOMING_CALL_BARRED",
    57: "BEARERCAPABILITY_NOTAUTH", 58: "BEARERCAPABILITY_NOTAVAIL", 65: "BEARERCAPABILITY_NOTIMPL",
    69: "FACILITY_NOT_IMPLEMENTED", 79: "SERVICE_NOT_IMPLEMENTED", 88: "INCOMPATIBLE_DESTINATION",
    102: "RECOVERY_ON_TIMER_EXPIRE", 127: "INTERWORKING",
}  # fmt: skip

_BY_NAME: Final = {name: cause for cause, name in NAMES.items()}

_CAUSE_BY_STATUS: Final = {
    401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127, 415: 79,
    416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 487: 16,
    488: 88, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 606: 88,
}  # fmt: skip

_STATUS_BY_CAUSE: Final = {
    1: 404, 2: 404, 3: 404, 16: 480, 17: 486, 18: 408, 19: 480, 20: 480, 21: 603, 22: 410, 23: 410, 25: 483, 27: 502,
    28: 484, 29: 501, 31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 44: 503, 52: 403, 54: 403, 57: 403, 58: 503,
    65: 488, 69: 501, 79: 501, 88: 488, 102: 504,
}  # fmt: skip

_BRIDGE_STATUS: Final = {
    486: BridgeStatus.BUSY,
    600: BridgeStatus.BUSY,
    408: BridgeStatus.NO_ANSWER,
    480: BridgeStatus.NO_ANSWER,
    487: BridgeStatus.NO_ANSWER,
}


def cause_of(status: int | str) -> int:
    """The Q.850 cause of a SIP status (16 where none is closer), or of a cause's name (0 where there is none)."""
    if isinstance(status, str):
        return _BY_NAME.get(status.upper(), 0)
    return _CAUSE_BY_STATUS.get(status, 16 if status < 400 else 31)


def status_of(cause: int) -> int:
    """The SIP status that refuses a call for a Q.850 cause."""
    return _STATUS_BY_CAUSE.get(cause, 480)


def bridge_status(code: int) -> BridgeStatus:
    """What became of a leg that refused with this SIP status."""
    return _BRIDGE_STATUS.get(code, BridgeStatus.FAILED)
