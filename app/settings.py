"""Settings of the service, read from ``XQG_*`` environment variables."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.encoder import Device
from app.errors import ConfigurationError


class Settings(BaseSettings):
    """Frozen; each field says what happens at its limit."""

    model_config = SettingsConfigDict(env_prefix="XQG_", frozen=True, extra="ignore")

    bundle: Path
    """Folder of the exported encoder.  A damaged one stops the start."""
    index: str
    """``edge:<folder>`` (in process) or ``http(s)://host:6333`` (a Qdrant server)."""
    collection: str = "passages"
    """Alias of the index.  Resolved when the index is opened; a later move needs a restart."""
    qdrant_api_key: SecretStr | None = None
    qdrant_grpc_port: int = Field(default=6334, ge=0, le=65535)
    """0 uses REST alone, as behind an HTTP proxy."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    device: Device = "cpu"
    """``cuda`` stops the start where there is none, instead of running on the CPU unasked."""
    encoder_threads: int = Field(default=0, ge=0)
    """Batches embedded at once, one thread each; 0 takes the cores of the CPU quota."""
    max_batch_tokens: int = Field(default=160, ge=1)
    """Padded tokens per batch; a longer query is a batch of its own."""
    max_queue_tokens: int = Field(default=16_384, ge=1)
    """Tokens that may wait; beyond that a search is answered 429."""
    timeout_s: float = Field(default=10, gt=0)
    """Time for one search; beyond that it is answered 504."""
    max_query_chars: int = Field(default=4_000, ge=1)
    """Longer queries are answered 422; what is within, but over the token limit, is cut and flagged."""
    max_body_bytes: int = Field(default=1_048_576, ge=1)
    """Larger bodies are answered 413 before they are read whole."""
    max_url_bytes: int = Field(default=65_536, ge=1_024)
    """Longer URLs are answered 414.  4,000 characters of Telugu take 36,000 bytes in a URL."""
    max_header_bytes: int = Field(default=32_768, ge=1_024)
    """More bytes of headers, or more than 100 headers, are answered 431."""
    max_connections: int = Field(default=512, ge=1)
    """Clients connected beyond that are answered 503 and cut off; probes and metrics go on for 64 more."""
    client_timeout_s: float = Field(default=20, gt=0)
    """Time to send the headers, again to send the body (408), and to take in the answer (cut off)."""
    keep_alive_s: int = Field(default=65, ge=1)
    """Idle connections are closed then: after the 60 s of most load balancers, which should close first."""
    api_keys: SecretStr | None = None
    """Comma-separated; a caller of ``/v1`` must show one of them.  Unset, and no file: no key is asked for."""
    api_keys_file: Path | None = None
    """One key per line, ``#`` comments; read again when it changes.  Its keys add to ``api_keys``."""
    cors_origins: str = ""
    """Comma-separated origins whose pages may call from a browser, as ``https://search.example``; ``*`` is any."""
    index_retry_s: float = Field(default=5, gt=0)
    """Pause between attempts to open an index that is missing, unfit or out of reach."""
    drain_s: int = Field(default=20, ge=0)
    """Time that searches under way have to finish after SIGTERM."""

    @classmethod
    def read(cls) -> Self:
        """From the environment.

        Raises:
            ConfigurationError: names the variable and what is wrong with it.
        """
        try:
            return cls()
        except ValidationError as error:
            problems = "; ".join(
                f"XQG_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg'].lower()}"
                for problem in error.errors()
            )
            raise ConfigurationError(f"the settings are not valid: {problems}") from error
