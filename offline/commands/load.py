"""``load``: vectors to a live collection."""

import asyncio

from app.index import ServerAccess
from offline.commands import options
from offline.commands.plainly import plainly
from offline.load import LoadRequest
from offline.load import load as run_load
from offline.progress import console


@plainly
def load(
    vectors: options.Vectors,
    index: options.Index,
    collection: options.Collection = "passages",
    alpha: options.Alpha = 0.01,
    keep_queries: options.KeepQueries = True,
    filter_field: options.FilterFields = None,
    rebuild: options.Rebuild = False,
    api_key: options.ApiKey = None,
    grpc_port: options.GrpcPort = 6334,
    timeout_s: options.TimeoutS = 60,
) -> None:
    """Fuse, fill a fresh collection, verify it, and make it live."""
    access = ServerAccess(api_key, grpc_port, timeout_s)
    request = LoadRequest(vectors, index, collection, alpha, keep_queries, filter_field or (), rebuild, access)
    asyncio.run(run_load(request, console))
