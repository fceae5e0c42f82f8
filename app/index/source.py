"""Where an alias is looked up and its index opened: a folder, or a server."""

import asyncio
from pathlib import Path

from app.index import IndexLocation, ServerAccess, edge
from app.index.edge import EdgeIndex
from app.index.protocol import IndexSource, Live


def index_source(location: IndexLocation, alias: str, access: ServerAccess) -> IndexSource:
    """Where the alias is looked up; nothing is opened yet."""
    if location.folder is not None:
        return EdgeSource(location.folder, alias)
    # an Edge index does without the client: 0.7 s of start and 40 MB
    from app.index.server_source import ServerSource

    return ServerSource(str(location.url), alias, access)


class EdgeSource:
    """An ``IndexSource`` on a folder."""

    def __init__(self, folder: Path, alias: str) -> None:
        self._folder = folder
        self._alias = alias

    async def look(self) -> Live:
        home, contract = await asyncio.to_thread(edge.look, self._folder, self._alias)
        return Live(home.name, contract)

    async def open(self) -> EdgeIndex:
        return await asyncio.to_thread(EdgeIndex.open, self._folder, self._alias)

    async def close(self) -> None:
        """Nothing is held."""
