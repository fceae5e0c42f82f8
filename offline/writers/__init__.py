"""Write collections: Qdrant in process (Edge) or a Qdrant server, behind one protocol."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from app.index import IndexLocation, ServerAccess
from app.index.server import connect, warn_of_open_key
from offline.writers.edge_store import EdgeStore
from offline.writers.protocol import CollectionStore, CollectionWriter, Quantization, Storage
from offline.writers.server_store import ServerStore

__all__ = [
    "CollectionStore",
    "CollectionWriter",
    "EdgeStore",
    "Quantization",
    "ServerStore",
    "Storage",
    "Uploads",
    "open_store",
]


@dataclass(frozen=True, slots=True)
class Uploads:
    """How passages go to a server."""

    batch_points: int = 128
    """Passages per call, 1 to 1024; an Edge folder takes as many per update."""
    parallel: int | None = None
    """Calls under way at once; None is 4 for a server.  An Edge folder has one writer."""
    retry_s: float = 120
    """How long a call is made again before the load gives up."""


def open_store(
    location: IndexLocation,
    access: ServerAccess,
    console: Console,
    state: Path = Path(),
    storage: Storage = Storage(),  # noqa: B008, frozen
    uploads: Uploads = Uploads(),
) -> CollectionStore:
    """The store of a location.

    Args:
        location: where; a server is connected to with the first call.
        access: how to reach a server.
        console: where waiting is told.
        state: a folder for what loads into a server have to remember.
        storage: how collections are made.
        uploads: how passages go to a server.
    """
    if location.folder is not None:
        return EdgeStore(location.folder, storage)
    warn_of_open_key(str(location.url), access)
    client = connect(str(location.url), access)
    return ServerStore(client, state, storage, console, uploads.parallel or 4, uploads.retry_s)
