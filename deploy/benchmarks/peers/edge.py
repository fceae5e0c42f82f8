"""An Edge shard over a corpus, as its documentation has it; the bound searches the same."""

from pathlib import Path
from typing import Any

import qdrant_edge

from deploy.benchmarks.peers.corpus import TOP_K, Corpus

_BATCH = 500


def fill_shard(corpus: Corpus, folder: Path) -> qdrant_edge.EdgeShard:
    """A new shard in an empty folder."""
    parameters = qdrant_edge.EdgeVectorParams(size=corpus.vectors.shape[1], distance=qdrant_edge.Distance.Cosine)
    shard = qdrant_edge.EdgeShard.create(str(folder), qdrant_edge.EdgeConfig(vectors=parameters))
    points = [
        qdrant_edge.Point(number, vector, payload)
        for number, (vector, payload) in enumerate(zip(corpus.vectors.tolist(), corpus.payloads, strict=True))
    ]
    for start in range(0, len(points), _BATCH):
        shard.update(qdrant_edge.UpdateOperation.upsert_points(points[start : start + _BATCH]))
    shard.optimize()
    return shard


def search(shard: qdrant_edge.EdgeShard, vector: Any) -> list[dict[str, Any]]:
    """The payloads of the closest passages, each with its score."""
    request = qdrant_edge.QueryRequest(query=qdrant_edge.Query.Nearest(vector.tolist()), limit=TOP_K, with_payload=True)
    return [{"score": point.score, **point.payload} for point in shard.query(request)]
