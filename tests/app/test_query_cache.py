"""The cache of recent queries."""

import httpx
import numpy as np

from app.batcher import Embedded
from app.encoder import Tokens
from app.query_cache import QueryCache


class Observer:
    def __init__(self) -> None:
        self.looks = ""

    def cache_hit(self) -> None:
        self.looks += "+"

    def cache_miss(self) -> None:
        self.looks += "-"


def embedded(value: float) -> Embedded:
    return Embedded(np.full((3, 4), value, np.float32)[1], queue_s=1, encode_s=2, batch_queries=3)


def tokens(*ids: int) -> Tokens:
    return Tokens(list(ids), truncated=False)


def test_the_least_recently_used_goes_first() -> None:
    observer = Observer()
    cache = QueryCache(2, observer)
    for number in (1, 2):
        cache.put(tokens(number), embedded(number))
    assert cache.get(tokens(1)) is not None
    cache.put(tokens(3), embedded(3))
    found = [cache.get(tokens(number)) for number in (1, 2, 3)]
    assert [each and each.vector.tolist() for each in found] == [[1] * 4, None, [3] * 4]
    assert observer.looks == "++-+"


def test_what_comes_from_the_cache_took_no_time_and_keeps_no_batch() -> None:
    cache = QueryCache(1, Observer())
    cache.put(tokens(1), embedded(1))
    found = cache.get(tokens(1))
    assert found is not None
    assert (found.queue_s, found.encode_s, found.batch_queries) == (0, 0, 0)
    assert found.vector.base is None


def test_a_cache_of_none_keeps_nothing_and_counts_nothing() -> None:
    observer = Observer()
    cache = QueryCache(0, observer)
    cache.put(tokens(1), embedded(1))
    assert cache.get(tokens(1)) is None
    assert observer.looks == ""


def test_a_question_asked_again_gets_the_same_hits_without_the_encoder(client: httpx.Client) -> None:
    question = {"query": "Mikä on Suomen pääkaupunki, ja miksi?"}
    first, second = (client.post("/v1/search", json=question).json() for _ in range(2))
    assert second["hits"] == first["hits"]
    assert first["timings_ms"]["encode"] > 0
    assert second["timings_ms"]["encode"] == second["timings_ms"]["queue"] == 0
    metrics = client.get("/metrics").text
    hits = next(line for line in metrics.splitlines() if line.startswith('xqg_query_cache_total{result="hit"}'))
    assert float(hits.split()[-1]) >= 1
