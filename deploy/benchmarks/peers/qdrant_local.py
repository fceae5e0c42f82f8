"""qdrant-client's local mode over a corpus: what its documentation shows first."""

from typing import Any

from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

from deploy.benchmarks.peers.corpus import TOP_K, Corpus

_COLLECTION = "passages"


def fill_client(corpus: Corpus) -> QdrantClient:
    client = QdrantClient(":memory:")
    client.create_collection(_COLLECTION, VectorParams(size=corpus.vectors.shape[1], distance=Distance.COSINE))
    client.upsert(
        _COLLECTION,
        [
            PointStruct(id=number, vector=vector, payload=payload)
            for number, (vector, payload) in enumerate(zip(corpus.vectors.tolist(), corpus.payloads, strict=True))
        ],
    )
    return client


def search(client: QdrantClient, vector: Any) -> list[dict[str, Any]]:
    """The payloads of the closest passages, each with its score."""
    points = client.query_points(_COLLECTION, query=vector.tolist(), limit=TOP_K).points
    return [{"score": point.score, **(point.payload or {})} for point in points]
