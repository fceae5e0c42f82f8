"""Settings of the service, read from ``XQG_*`` environment variables."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.engines import DeviceChoice, EngineName
from app.errors import ConfigurationError

_PREFIX = "XQG_"
_OTHERS = {"XQG_CHAT_API_KEY", "XQG_CHAT_URL", "XQG_CLIENT_KEY", "XQG_CLIENT_URL"}
"""What ``python -m offline`` and the examples read under the same prefix."""
_SERVICE_LINK = re.compile(r"XQG_(.+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)\w*)")
_LINK_VALUES = ("tcp://", "udp://", "sctp://")
"""What Kubernetes puts into every pod beside a Service whose name begins with ``xqg``."""

LogFormat = Literal["auto", "text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """Frozen; each field's docstring says what it does and what happens at its limit.

    The docstrings are what ``python -m app --help`` and the README print.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", allow_inf_nan=False, use_attribute_docstrings=True
    )

    bundle: Path
    """Folder of the exported encoder; a damaged one stops the start."""
    index: str
    """``edge:<folder>`` (in process) or ``http(s)://host:6333`` (a Qdrant server)."""
    collection: str = "passages"
    """Alias of the index.  Where it moves, the service follows, see ``index_watch_s``."""
    qdrant_api_key: SecretStr | None = None
    """Key of the Qdrant server; refused with an ``edge:`` index, which has none."""
    qdrant_grpc_port: int = Field(default=6334, ge=0, le=65535)
    """gRPC port of the Qdrant server; 0 uses REST alone, as behind an HTTP proxy."""
    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` for every one of the machine."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one, which the log names."""
    log_format: LogFormat = "auto"
    """``text``, or ``json`` for an object a line; ``auto`` is ``text`` on a terminal, else ``json``."""
    log_level: LogLevel = "info"
    """``debug`` adds probes and scrapes; ``warning`` leaves the requests out."""
    log_queries: bool = False
    """Log the texts of single searches, and with ``otel`` leave them in traced URLs: they may be personal data."""
    otel: bool = False
    """Send OpenTelemetry traces to ``OTEL_EXPORTER_OTLP_ENDPOINT``, else to port 4318 here; needs the extra `otel`."""
    mcp: bool = False
    """Offer search and passages as tools for assistants (Model Context Protocol) at `/mcp`; needs the extra `mcp`."""
    engine: EngineName = "onnxruntime"
    """What runs the encoder.  ``openvino`` (extra of that name) is faster on CPUs with half-precision arithmetic."""
    device: DeviceChoice = "auto"
    """``auto`` takes CUDA where there is any; ``cuda`` stops the start where there is none."""
    encoder_threads: int = Field(default=0, ge=0)
    """Batches embedded at once; 0 takes the cores of the CPU quota."""
    batch_threads: int = Field(default=1, ge=1)
    """Threads of one batch: 2 answer a lone client a third sooner, and many clients some 5 % slower."""
    max_batch_tokens: int = Field(default=128, ge=1)
    """Padded tokens per batch; a longer query is a batch of its own.  More tokens mean more padding."""
    max_queue_tokens: int = Field(default=8_192, ge=1)
    """Tokens that may wait, two seconds of work for two cores; beyond that a search is answered 429."""
    query_cache: int = Field(default=1_024, ge=0)
    """Recent queries whose vectors are kept, 2 kB each, so that they need no encoder; 0 keeps none."""
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
    """Beyond that the longest idle is closed; if none is idle, newcomers get a 503, but for 64 probes and metrics."""
    client_timeout_s: float = Field(default=20, gt=0)
    """Time to send the headers, again the body (408), to take in the answer, and then to hang up (cut off)."""
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
    index_watch_s: float = Field(default=2, ge=0)
    """Pause between looks at the alias while an index is open; 0 stays on that index until a restart."""
    drain_delay_s: float = Field(default=0, ge=0)
    """Time after SIGTERM to go on listening, as not ready, until load balancers have noticed."""
    drain_s: int = Field(default=20, ge=0)
    """Time that searches under way have to finish once the port is closed."""

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        """Settings that are valid alone and cannot work together; every one is named."""
        problems = []
        if self.max_batch_tokens > self.max_queue_tokens:
            problems.append(
                f"XQG_MAX_BATCH_TOKENS is {self.max_batch_tokens}, but XQG_MAX_QUEUE_TOKENS lets only "
                f"{self.max_queue_tokens} wait, so no batch could be full; raise the latter"
            )
        if self.engine == "openvino" and self.device == "cuda":
            problems.append("XQG_ENGINE is openvino, which runs on the CPU, but XQG_DEVICE is cuda; change either")
        if self.qdrant_api_key is not None and self.index.startswith("edge:"):
            problems.append(f"XQG_QDRANT_API_KEY is set, but XQG_INDEX is {self.index}, which takes no key; unset one")
        if self.log_queries and self.log_level in ("warning", "error") and not self.otel:
            problems.append(
                f"XQG_LOG_QUERIES is set, but XQG_LOG_LEVEL={self.log_level} leaves out the lines that hold queries; "
                "use info"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @classmethod
    def read(cls) -> Self:
        """From the environment.

        Raises:
            ConfigurationError: names the variable and what is wrong with it: a value, a
                contradiction with another, or a name that is no setting.
        """
        problems = _unknown(os.environ, [variable(name) for name in cls.model_fields])
        try:
            settings = cls()
        except ValidationError as error:
            problems += [_message(problem["loc"], problem["msg"], problem["input"]) for problem in error.errors()]
        if problems:
            raise ConfigurationError(
                f"the settings are not valid: {'; '.join(problems)}; `python -m app --help` lists them all"
            )
        return settings


def variable(field: str) -> str:
    """The environment variable of a field of ``Settings``."""
    return _PREFIX + field.upper()


def _unknown(environment: Mapping[str, str], known: list[str]) -> list[str]:
    """A misspelt setting would otherwise be ignored, and a limit or a key with it."""
    problems = []
    for name, value in sorted(environment.items()):
        if name.upper() in (*known, *_OTHERS) or not name.upper().startswith(_PREFIX):
            continue
        if _SERVICE_LINK.fullmatch(name) or value.startswith(_LINK_VALUES):
            continue
        nearest = difflib.get_close_matches(name.upper(), known, n=1)
        problems.append(f"{name} is no setting" + (f", did you mean {nearest[0]}?" if nearest else ""))
    return problems


def _message(location: tuple[int | str, ...], problem: str, value: object) -> str:
    if not location:  # a contradiction, which names its variables
        return problem.removeprefix("Value error, ")
    if location == ("port",) and str(value).startswith(_LINK_VALUES):
        return "XQG_PORT is what Kubernetes sets beside a Service named xqg; set a port, or `enableServiceLinks: false`"
    return f"{variable('_'.join(map(str, location)))}: {problem[0].lower()}{problem[1:]}"
