"""Every metric's name, once."""

import platform
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app import __version__
from app.errors import PROBLEMS
from app.index import PassageIndex
from app.languages import LABELS
from app.memory import memory_limit_bytes
from app.retriever import SearchResult

_STAGES = ("queue", "tokenize", "encode", "search", "total")
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_QUERIES = (1, 2, 4, 8, 16, 32, 64)
_TOKENS = (8, 16, 32, 64, 96, 128, 160, 192, 256, 512, 1024, 4096)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, which the text format has no use for


class Metrics:
    """Prometheus metrics of one service, in a registry of its own.

    Series whose labels are known beforehand exist from the start, at 0, so that the first rise is
    seen by ``rate()``.  Their children are looked up once: ``labels()`` costs more than counting.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.registry.register(_MemoryLimitCollector())
        build = Info("xqg_build", "The version that runs", registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})
        self.encoder = Info("xqg_encoder", "The encoder, its engine and its device", registry=self.registry)
        self._index = _IndexCollector()
        self.registry.register(self._index)
        self.ready = Gauge("xqg_ready", "1 while an index that belongs to the encoder is open", registry=self.registry)
        self.index_refused = Gauge(
            "xqg_index_refused", "1 while the alias points at an index that is not served", registry=self.registry
        )
        self.index_failing = Gauge(
            "xqg_index_failing", "1 while the Qdrant server is left alone for its failures", registry=self.registry
        )
        self.index_calls_in_flight = Gauge(
            "xqg_index_calls_in_flight", "Calls that wait for the Qdrant server's answer", registry=self.registry
        )

        self._requests = self._counter(
            "xqg_requests_total", "HTTP requests by method, route and status", "method", "route", "status"
        )
        self._request_seconds = Histogram(
            "xqg_request_seconds",
            "Time of an HTTP request, by route and status",
            ["route", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._request_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.in_flight = Gauge("xqg_requests_in_flight", "HTTP requests under way", registry=self.registry)
        self.rejections = self._counter(
            "xqg_rejections_total", "Requests, and searches of a batch, answered with a problem, by its type", "reason"
        )
        for row in PROBLEMS.values():
            self.rejections.labels(row.slug)

        searches = self._counter("xqg_searches_total", "Searches answered, by language", "lang")
        zero_hits = self._counter("xqg_zero_hit_searches_total", "Searches answered with no hit, by language", "lang")
        seconds = Histogram(
            "xqg_stage_seconds",
            "Time of a search by language and stage: queue, tokenize, encode, search, total",
            ["lang", "stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._by_language = {
            lang: (searches.labels(lang), zero_hits.labels(lang), [seconds.labels(lang, stage) for stage in _STAGES])
            for lang in LABELS
        }
        cache = self._counter("xqg_query_cache_total", "Queries looked up among the recent ones", "result")
        self.cache_hit = cache.labels("hit").inc
        self.cache_miss = cache.labels("miss").inc

        self._batch_queries = self._histogram("xqg_batch_queries", "Queries embedded in one batch", _QUERIES)
        self._batch_tokens = self._histogram("xqg_batch_tokens", "Tokens of one batch, padding included", _TOKENS)
        self._padding_tokens = self._counter(
            "xqg_padding_tokens_total", "Tokens of padding; of the sum of xqg_batch_tokens, the share that is wasted"
        )
        self._dropped_queries = self._counter(
            "xqg_dropped_queries_total", "Queries whose caller went away before they were embedded"
        )
        self._queue_tokens = Gauge("xqg_queue_tokens", "Tokens waiting to be embedded", registry=self.registry)
        self.queue_tokens_limit = Gauge(
            "xqg_queue_tokens_limit", "Tokens that may wait; beyond it searches are refused", registry=self.registry
        )
        self._queue_queries = Gauge("xqg_queue_queries", "Queries waiting to be embedded", registry=self.registry)

    def follow(self, index_in_use: Callable[[], PassageIndex | None]) -> None:
        """Ask for the index that serves at each scrape: the series of one that was swapped out ends."""
        self._index.in_use = index_in_use

    # the batcher's observer

    def batch(self, lengths: Sequence[int]) -> None:
        """Tokens of each query of a batch that is about to be embedded."""
        padded = max(lengths) * len(lengths)
        self._batch_queries.observe(len(lengths))
        self._batch_tokens.observe(padded)
        self._padding_tokens.inc(padded - sum(lengths))

    def dropped(self, queries: int) -> None:
        self._dropped_queries.inc(queries)

    def waiting(self, queries: int, tokens: int) -> None:
        self._queue_queries.set(queries)
        self._queue_tokens.set(tokens)

    # the HTTP side's

    def observe_search(self, lang: str, result: SearchResult) -> None:
        """Count an answered search; ``lang`` is one of ``LABELS``."""
        searches, zero_hits, seconds = self._by_language[lang]
        searches.inc()
        if not result.hits:
            zero_hits.inc()
        took = (result.queue_s, result.tokenize_s, result.encode_s, result.search_s, result.total_s)
        for histogram, stage_s in zip(seconds, took, strict=True):
            histogram.observe(stage_s)

    def refused(self, slug: str) -> None:
        """Count a request that the HTTP server refused before it was one."""
        self.rejections.labels(slug).inc()

    def observe_request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count an answered request; ``route`` is a pattern, so that labels stay few."""
        method = method if method in _METHODS else "other"
        key = (method, route, status)
        children = self._request_children.get(key)
        if children is None:
            children = (
                self._requests.labels(method, route, str(status)),
                self._request_seconds.labels(route, str(status)),
            )
            self._request_children[key] = children
        children[0].inc()
        children[1].observe(took_s)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, documentation, buckets=buckets, registry=self.registry)


class _IndexCollector(Collector):
    """Reads the index in use when scraped."""

    def __init__(self) -> None:
        self.in_use: Callable[[], PassageIndex | None] = lambda: None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        info = GaugeMetricFamily(
            "xqg_index_info", "The index that answers searches", labels=["collection", "run_id", "alpha"]
        )
        passages = GaugeMetricFamily("xqg_index_passages", "Passages of the index that answers searches")
        index = self.in_use()
        if index is not None:
            contract = index.contract
            info.add_metric([index.collection, contract.run_id, f"{contract.alpha:g}"], 1)
            passages.add_metric([], contract.passages)
        yield info
        yield passages


class _MemoryLimitCollector(Collector):
    """Reads the limit when scraped, as memory itself is: engines change it under a running container.

    Where there is none, there is no sample, and what divides by it has no result; 0 or infinity would
    be a limit that is always, or never, reached.
    """

    def collect(self) -> Iterator[GaugeMetricFamily]:
        limit = GaugeMetricFamily("xqg_memory_limit_bytes", "Memory that the container may use, where it is limited")
        limit_bytes = memory_limit_bytes()
        if limit_bytes is not None:
            limit.add_metric([], limit_bytes)
        yield limit
