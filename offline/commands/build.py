"""``build``: embed, then load."""

from offline.commands import load_options, options
from offline.commands.embed import embed
from offline.commands.load import load
from offline.commands.plainly import plainly


@plainly
def build(
    corpus: options.Corpus,
    bundle: options.Bundle,
    vectors: options.Vectors,
    index: options.Index,
    queries: options.Queries = None,
    collection: options.Collection = "passages",
    alpha: options.Alpha = 0.01,
    batch_tokens: options.BatchTokens = 512,
    shard_size: options.ShardSize = 512,
    allow_partial: options.AllowPartial = False,
    ignore_unmatched: options.IgnoreUnmatched = False,
    device: options.Device = "cpu",
    keep_queries: options.KeepQueries = True,
    filter_field: options.FilterFields = None,
    rebuild: options.Rebuild = False,
    quantization: load_options.Quantization = "none",
    on_disk: load_options.OnDisk = False,
    hnsw_m: load_options.HnswM = 16,
    hnsw_ef_construct: load_options.HnswEfConstruct = 100,
    collection_shards: load_options.CollectionShards = None,
    replication_factor: load_options.ReplicationFactor = None,
    write_consistency: load_options.WriteConsistency = None,
    batch_points: load_options.BatchPoints = 128,
    parallel_uploads: load_options.ParallelUploads = None,
    api_key: options.ApiKey = None,
    grpc_port: options.GrpcPort = 6334,
    timeout_s: options.TimeoutS = 60,
    retry_s: load_options.RetryS = 120,
    gate: load_options.Gate = None,
    max_drop: options.MaxDrop = 0.01,
) -> None:
    """embed, then load."""
    if gate is not None:  # a report of no use is known before the hours of embedding
        from offline.evaluate.gate import Baseline

        Baseline.open(gate)
    embed(
        corpus=corpus,
        bundle=bundle,
        output=vectors,
        queries=queries,
        batch_tokens=batch_tokens,
        shard_size=shard_size,
        allow_partial=allow_partial,
        ignore_unmatched=ignore_unmatched,
        device=device,
    )
    load(
        vectors=vectors,
        index=index,
        collection=collection,
        alpha=alpha,
        keep_queries=keep_queries,
        filter_field=filter_field,
        rebuild=rebuild,
        allow_partial=allow_partial,
        quantization=quantization,
        on_disk=on_disk,
        hnsw_m=hnsw_m,
        hnsw_ef_construct=hnsw_ef_construct,
        collection_shards=collection_shards,
        replication_factor=replication_factor,
        write_consistency=write_consistency,
        batch_points=batch_points,
        parallel_uploads=parallel_uploads,
        api_key=api_key,
        grpc_port=grpc_port,
        timeout_s=timeout_s,
        retry_s=retry_s,
        gate=gate,
        gate_bundle=bundle if gate else None,
        max_drop=max_drop,
        device=device,
    )
