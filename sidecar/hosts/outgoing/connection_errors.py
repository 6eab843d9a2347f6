"""Why a connection of a script is not there, in the words and codes of Node, which its libraries know."""

import errno
import socket
import ssl
from typing import Final

REFUSED: Final = "ERR_OUTGOING_REFUSED"
"""The gate's own: where the connection was to lead is not allowed. Node has no such code."""
LIMIT: Final = "ERR_OUTGOING_LIMIT"
"""Of what bounds connections of scripts."""

_CERTIFICATES: Final = {
    2: ("UNABLE_TO_GET_ISSUER_CERT", "unable to get issuer certificate"),
    7: ("CERT_SIGNATURE_FAILURE", "certificate signature failure"),
    9: ("CERT_NOT_YET_VALID", "certificate is not yet valid"),
    10: ("CERT_HAS_EXPIRED", "certificate has expired"),
    18: ("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"),
    19: ("SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain"),
    # Node goes on from 20, and of a certificate that came alone the last thing found wrong is 21.
    20: ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate"),
    21: ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate"),
    22: ("CERT_CHAIN_TOO_LONG", "certificate chain too long"),
    23: ("CERT_REVOKED", "certificate revoked"),
    24: ("INVALID_CA", "invalid CA certificate"),
    26: ("INVALID_PURPOSE", "unsuitable certificate purpose"),
    27: ("CERT_UNTRUSTED", "certificate not trusted"),
    28: ("CERT_REJECTED", "certificate rejected"),
}
"""X509_V_ERR_* of OpenSSL's x509_vfy.h, as Node calls them (src/crypto/crypto_common.cc)."""
_OTHER_NAMES: Final = {62: "Host", 64: "IP"}
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""


class ConnectionFailed(Exception):
    """A connection that is not there, or not any more."""

    def __init__(self, code: str, message: str, syscall: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.syscall = syscall
        """What was tried, as Node calls it; empty where it was no system call."""


def of_system(error: OSError, syscall: str, where: str = "") -> ConnectionFailed:
    """What the system says. ``where`` is as the script named it: no address that a name has is told."""
    # None where a name's addresses failed each in its own way.
    code = errno.errorcode.get(error.errno or errno.EHOSTUNREACH, "EIO")
    return ConnectionFailed(code, f"{syscall} {code} {where}".rstrip(), syscall)


def of_name(error: OSError, host: str) -> ConnectionFailed:
    """What became of a question for a name."""
    if isinstance(error, PermissionError):
        return ConnectionFailed(REFUSED, error.strerror or f"{host} may not be connected to")
    again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
    code = "EAI_AGAIN" if again else "ENOTFOUND"
    return ConnectionFailed(code, f"getaddrinfo {code} {host}", "getaddrinfo")


def of_tls(error: ssl.SSLError | ssl.CertificateError, name: str) -> ConnectionFailed:
    """What came of a handshake with who should be of this name."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAMES:
            what = _OTHER_NAMES[error.verify_code]
            return ConnectionFailed(
                "ERR_TLS_CERT_ALTNAME_INVALID",
                f"Hostname/IP does not match certificate's altnames: {what}: {name}. is not in the cert's altnames",
            )
        if error.verify_code in _CERTIFICATES:
            return ConnectionFailed(*_CERTIFICATES[error.verify_code])
        return ConnectionFailed("CERT_REJECTED", error.verify_message or "certificate rejected")
    reason = getattr(error, "reason", None) or "UNKNOWN"
    return ConnectionFailed("EPROTO", f"write EPROTO: {reason.replace('_', ' ').lower()}", "write")
