"""``load``: vectors to a live collection."""

import asyncio

from app.index import ServerAccess
from offline.commands import load_options, options
from offline.commands.plainly import plainly
from offline.load import LoadRequest
from offline.load import load as run_load
from offline.load_shares import load_by_shares
from offline.progress import console
from offline.share import Share
from offline.writers import Storage, Uploads


@plainly
def load(
    vectors: options.Vectors,
    index: options.Index,
    collection: options.Collection = "passages",
    alpha: options.Alpha = 0.01,
    keep_queries: options.KeepQueries = True,
    filter_field: options.FilterFields = None,
    rebuild: options.Rebuild = False,
    allow_partial: load_options.LoadPartial = False,
    shard: load_options.Share = "1/1",
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
    engine: options.Engine = "local",
    workers: options.Workers = 2,
    worker_cpus: options.WorkerCpus = 1,
    ray_address: options.RayAddress = None,
    gate: load_options.Gate = None,
    gate_bundle: load_options.GateBundle = None,
    max_drop: options.MaxDrop = 0.01,
    device: options.Device = "cpu",
) -> None:
    """Fuse, fill a fresh collection, verify it, and make it live; run it again to go on after an interruption."""
    request = LoadRequest(
        vectors,
        index,
        collection,
        alpha,
        keep_queries,
        filter_field or (),
        rebuild,
        ServerAccess(api_key, grpc_port, timeout_s),
        allow_partial,
        Share.parse(shard),
        Storage(
            quantization,
            on_disk,
            hnsw_m,
            hnsw_ef_construct,
            collection_shards,
            replication_factor,
            write_consistency,
        ),
        Uploads(batch_points, parallel_uploads, retry_s),
        load_options.gate_of(gate, gate_bundle, max_drop, device),
    )
    chosen = options.engine_of(engine, workers, worker_cpus, 0, ray_address)
    if chosen is None:
        asyncio.run(run_load(request, console))
    else:
        load_by_shares(request, chosen, workers, console)
