"""QueryCache: vectors of recent queries, so that a question asked again needs no encoder."""

from array import array
from dataclasses import replace
from typing import Protocol

from cachetools import LRUCache

from app.batcher import Embedded
from app.encoder import Tokens


class CacheObserver(Protocol):
    """Told of every look; metrics, in the service."""

    def cache_hit(self) -> object: ...
    def cache_miss(self) -> object: ...


class QueryCache:
    """The least recently used goes first.  For the event loop's thread alone.

    Keyed by tokens, which are what the encoder sees: what people ask is not kept as text.  A
    vector never grows stale, since a process has one encoder.

    Args:
        queries: how many to keep; 0 keeps none.
    """

    def __init__(self, queries: int, observer: CacheObserver) -> None:
        self._kept: LRUCache[bytes, Embedded] = LRUCache(queries)
        self._observer = observer

    def get(self, tokens: Tokens) -> Embedded | None:
        """What was embedded, as something that took no time; None where it is not there."""
        if not self._kept.maxsize:
            return None
        found = self._kept.get(_key(tokens))
        if found is None:
            self._observer.cache_miss()
        else:
            self._observer.cache_hit()
        return found

    def put(self, tokens: Tokens, embedded: Embedded) -> None:
        if self._kept.maxsize:
            # a row of its own, which does not keep the whole matrix of its batch
            vector = embedded.vector.copy()
            self._kept[_key(tokens)] = replace(embedded, vector=vector, queue_s=0, encode_s=0, batch_queries=0)


def _key(tokens: Tokens) -> bytes:
    return array("i", tokens.ids).tobytes()
