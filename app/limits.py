"""What one client may take of the service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of the HTTP server; those of a body are the middleware's."""

    url_bytes: int
    header_bytes: int
    connections: int
    timeout_s: float
    """Time to send the headers, to take in the answer, and then to hang up."""
