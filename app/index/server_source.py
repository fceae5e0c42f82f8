"""Where an alias of a Qdrant server is looked up and its index opened."""

from qdrant_client import AsyncQdrantClient

from app.index import ServerAccess, server
from app.index.protocol import Live
from app.index.server import ServerIndex, connect, warn_of_open_key


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
        warn_of_open_key(url, access)

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
