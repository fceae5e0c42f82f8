"""Every metric's name, once."""

import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.languages import CODES
from app.retriever import SearchResult

_STAGE_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Prometheus metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "xqg_requests_total",
            "HTTP requests by method, route and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.searches = Counter(
            "xqg_searches_total", "Searches by the language that the caller gave", ["lang"], registry=self.registry
        )
        self.stage_seconds = Histogram(
            "xqg_stage_seconds",
            "Time of a search by stage: queue, encode, search, total",
            ["stage"],
            buckets=_STAGE_BUCKETS_S,
            registry=self.registry,
        )
        self.batch_queries = Histogram(
            "xqg_batch_queries",
            "Queries embedded in one batch",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.dropped_queries = Counter(
            "xqg_dropped_queries_total",
            "Queries whose caller went away before they were embedded",
            registry=self.registry,
        )
        self.queue_tokens = Gauge("xqg_queue_tokens", "Tokens waiting to be embedded", registry=self.registry)
        self.ready = Gauge("xqg_ready", "1 while an index that belongs to the encoder is open", registry=self.registry)
        self.index_refused = Gauge(
            "xqg_index_refused", "1 while the alias points at an index that is not served", registry=self.registry
        )
        self.index_failing = Gauge(
            "xqg_index_failing", "1 while the Qdrant server is left alone for its failures", registry=self.registry
        )

    # the batcher's observer

    def batch(self, queries: int) -> None:
        self.batch_queries.observe(queries)

    def dropped(self, queries: int) -> None:
        self.dropped_queries.inc(queries)

    def waiting(self, tokens: int) -> None:
        self.queue_tokens.set(tokens)

    # the routes'

    def observe_search(self, lang: str | None, result: SearchResult) -> None:
        """Count an answered search; a language beyond the seven is ``other``, none is ``unknown``."""
        code = re.split("[-_]", lang or "unknown")[0].lower()
        self.searches.labels(code if code in (*CODES, "unknown") else "other").inc()
        for stage in ("queue", "encode", "search", "total"):
            self.stage_seconds.labels(stage).observe(getattr(result, f"{stage}_s"))
