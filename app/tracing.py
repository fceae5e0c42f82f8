"""Traces with OpenTelemetry, sent by OTLP over HTTP; imported only where ``XQG_OTEL`` asks for them.

The framework makes the span of a request and goes on with the caller's trace; the instrumentations
of httpx and gRPC hand it on to Qdrant; the stages between are made here.  The standard ``OTEL_*``
variables say where spans go, how many and under which name.
"""

import logging
import os
import threading
import time
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from app import __version__
from app.batcher import Embedded
from app.errors import ConfigurationError
from app.observer import PROBES
from app.spans import Attributes

_LOG = logging.getLogger(__name__)
_SEND_S = 3
_ONLY = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
}


class Tracing:
    """The ``Spans`` of a service, and what goes with them.

    Args:
        log_queries: leave the query strings in the URLs of requests, where GET has the question.

    Raises:
        ConfigurationError: an ``OTEL_*`` variable asks for what is not installed.
    """

    def __init__(self, *, log_queries: bool) -> None:
        for name, only in _ONLY.items():
            if os.environ.get(name, only) != only:
                raise ConfigurationError(f"{name}={os.environ[name]} is not supported; unset it or set it to {only}")
        resource = Resource.create({SERVICE_VERSION: __version__})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "xqg"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(_Processor(OTLPSpanExporter(), log_queries=log_queries))
        self._tracer = self._provider.get_tracer("xqg", __version__)
        self._clients = (HTTPXClientInstrumentor(), GrpcAioInstrumentorClient())

    @property
    def telemetry(self) -> TelemetryConfig:
        """For the framework: what spans of requests need."""
        return {"tracing": True, "tracer_provider": self._provider, "exclude": _is_probe}

    def start(self) -> None:
        """Instrument the clients that are made from now on, and put trace ids into log lines."""
        for client in self._clients:
            client.instrument(tracer_provider=self._provider)
        for handler in logging.getLogger().handlers:
            handler.addFilter(_add_trace_id)

    def close(self) -> None:
        """Undo ``start`` and send what is left; blocks while the receiver takes it, for seconds at most."""
        for client in self._clients:
            client.uninstrument()
        for handler in logging.getLogger().handlers:
            handler.removeFilter(_add_trace_id)
        # a thread that may be left behind: a receiver that hangs must not hold up the end
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(_SEND_S)
        if sending.is_alive():
            _LOG.warning("the receiver of traces did not take the last ones within %d s; they are lost", _SEND_S)

    # Spans

    def stage(self, name: str, attributes: Attributes | None = None) -> AbstractContextManager[object]:
        return self._tracer.start_as_current_span(name, attributes=attributes)

    def embedded(self, embedded: Embedded) -> None:
        ended = time.time_ns()
        encoding = ended - round(1e9 * embedded.encode_s)
        waiting = encoding - round(1e9 * embedded.queue_s)
        self._tracer.start_span("queue", start_time=waiting).end(encoding)
        size = {"xqg.batch.queries": embedded.batch_queries}
        self._tracer.start_span("encode", attributes=size, start_time=encoding).end(ended)


class _Processor(BatchSpanProcessor):
    """Sends spans in batches from a thread, but for what nobody should read or wants to."""

    def __init__(self, exporter: OTLPSpanExporter, *, log_queries: bool) -> None:
        super().__init__(exporter)
        self._log_queries = log_queries

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if not self._log_queries and span.kind is SpanKind.SERVER and "url.query" in (span.attributes or {}):
            span.set_attribute("url.query", "REDACTED")

    def on_end(self, span: ReadableSpan) -> None:
        # calls to Qdrant that no request made: probes, and looks at the alias
        if span.kind is SpanKind.CLIENT and span.parent is None:
            return
        super().on_end(span)


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in PROBES


def _add_trace_id(record: logging.LogRecord) -> bool:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        record.trace_id = trace.format_trace_id(context.trace_id)
    return True
