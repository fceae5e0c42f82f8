"""Between the interface's models and the retriever's types."""

from app import schemas
from app.encoder import OnnxEncoder
from app.explainer import MatchedQuery
from app.index import PassageIndex
from app.passages import Passage
from app.retriever import Retriever, Search, SearchResult


def to_search(body: schemas.SearchRequest) -> Search:
    return Search(body.query, body.top_k, body.filter, body.min_score, body.explain)


def to_response(query: str, result: SearchResult, retriever: Retriever, request_id: str) -> schemas.SearchResponse:
    hits = [
        schemas.HitModel(
            rank=rank,
            docid=hit.passage.docid,
            title=hit.passage.title,
            text=hit.passage.text,
            score=hit.score,
            metadata=dict(hit.passage.metadata),
        )
        for rank, hit in enumerate(result.hits, start=1)
    ]
    for hit, matched in zip(hits, result.matched_queries, strict=False):  # none beyond the explained
        hit.matched_queries = matched_models(matched)
    stages = {
        "queue": result.queue_s,
        "tokenize": result.tokenize_s,
        "encode": result.encode_s,
        "search": result.search_s,
        "total": result.total_s,
    }
    return schemas.SearchResponse(
        query=query,
        hits=hits,
        index=_index(result.index),
        encoder=_encoder(retriever.encoder),
        timings_ms=schemas.Timings(**{stage: round(1e3 * seconds, 3) for stage, seconds in stages.items()}),
        truncated=result.truncated,
        request_id=request_id,
    )


def to_passage(passage: Passage) -> schemas.PassageModel:
    return schemas.PassageModel(
        docid=passage.docid,
        title=passage.title,
        text=passage.text,
        metadata=dict(passage.metadata),
        generated_queries=dict(passage.generated_queries),
    )


def matched_models(matched: list[MatchedQuery]) -> list[schemas.MatchedQueryModel]:
    return [schemas.MatchedQueryModel(lang=each.lang, query=each.query, score=each.score) for each in matched]


def server_timing(timings: schemas.Timings) -> str:
    """The value of the header ``Server-Timing``, which a browser's developer tools draw."""
    return ", ".join(f"{stage};dur={milliseconds}" for stage, milliseconds in timings)


def _index(index: PassageIndex) -> schemas.IndexModel:
    contract = index.contract
    return schemas.IndexModel(
        collection=index.collection, run_id=contract.run_id, alpha=contract.alpha, passages=contract.passages
    )


def _encoder(encoder: OnnxEncoder) -> schemas.EncoderModel:
    identity = encoder.bundle.encoder
    return schemas.EncoderModel(
        source=identity.source, fingerprint=encoder.bundle.fingerprint, precision=identity.precision
    )


def index_info(index: PassageIndex) -> schemas.IndexInfo:
    contract = index.contract
    return schemas.IndexInfo(
        **_index(index).model_dump(),
        created_at=contract.created_at,
        augmented_passages=contract.augmented_passages,
        queries_per_language=contract.queries_per_language,
        corpus_digest=contract.corpus_digest,
        queries_digest=contract.queries_digest,
        fields=contract.fields,
        explain=contract.keeps_queries,
    )


def encoder_info(encoder: OnnxEncoder) -> schemas.EncoderInfo:
    identity = encoder.bundle.encoder
    return schemas.EncoderInfo(
        **_encoder(encoder).model_dump(),
        revision=identity.revision,
        dimension=identity.dimension,
        pooling=identity.pooling,
        normalize=identity.normalize,
        similarity=identity.similarity,
        query_max_tokens=identity.query_max_tokens,
        device=encoder.engine.device,
        engine=encoder.engine.version,
        arithmetic=encoder.engine.arithmetic,
    )
