"""Where an alias is looked up and its index opened: a folder, or a server."""

import asyncio
from pathlib import Path

from qdrant_client import AsyncQdrantClient

from app.index import IndexLocation, edge, server
from app.index.edge import EdgeIndex
from app.index.protocol import IndexSource, Live
from app.index.server import ServerAccess, ServerIndex, connect


def index_source(location: IndexLocation, alias: str, access: ServerAccess) -> IndexSource:
    """Where the alias is looked up; nothing is opened yet."""
    if location.folder is not None:
        return EdgeSource(location.folder, alias)
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


class ServerSource:
    """An ``IndexSource`` on a server.

    Each index has a client of its own, and so a view of its own of the server's health: one that
    cannot be opened does no harm to the one that is served.
    """

    def __init__(self, url: str, alias: str, access: ServerAccess) -> None:
        self._url = url
        self._alias = alias
        self._access = access
        self._client: AsyncQdrantClient | None = None

    async def look(self) -> Live:
        if self._client is None:
            self._client = connect(self._url, self._access)
        live, _ = await server.look(self._client, self._alias)
        return live

    async def open(self) -> ServerIndex:
        client = connect(self._url, self._access)
        try:
            return await ServerIndex.open(client, self._alias, self._access.timeout_s)
        except BaseException:
            await client.close()
            raise

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
