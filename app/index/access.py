"""How a Qdrant server is reached; free of its client, which an Edge index does without."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """How to reach a Qdrant server besides its URL."""

    api_key: str | None = None
    grpc_port: int = 6334
    """0 uses REST alone, as behind an HTTP proxy."""
    timeout_s: float = 10
    """For one call."""
