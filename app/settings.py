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
    """Alias of the index.  Where it moves, the service follows, see ``index_watch_s``."""
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
    index_retry_s: float = Field(default=5, gt=0)
    """Pause between attempts to open an index that is missing, unfit or out of reach."""
    index_watch_s: float = Field(default=2, ge=0)
    """Pause between looks at the alias while an index is open; 0 stays on that index until a restart."""
    drain_delay_s: float = Field(default=0, ge=0)
    """Time after SIGTERM to go on listening, as not ready, until load balancers have noticed."""
    drain_s: int = Field(default=20, ge=0)
    """Time that searches under way have to finish once the port is closed."""

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
