"""The collections and aliases of a Qdrant server."""

from pathlib import Path

from qdrant_client import AsyncQdrantClient, models
from rich.console import Console

from app.errors import RunConflict
from app.index.contract import IndexContract
from app.index.server import read_contract, resolve_alias
from offline.writers.protocol import Storage
from offline.writers.retry import Patience
from offline.writers.server import ServerWriter


class ServerStore:
    """A ``CollectionStore`` on a server.

    Loads on several machines may write to it.  What they began and what they loaded they remember
    in ``state``, a folder that the workers of one load share.
    """

    def __init__(
        self,
        client: AsyncQdrantClient,
        state: Path,
        storage: Storage,
        console: Console,
        parallel: int = 1,
        retry_s: float = 0,
    ) -> None:
        self.state = state
        self._client = client
        self._storage = storage
        self._console = console
        self._parallel = parallel
        self._patience = Patience(retry_s, console)

    async def live(self, alias: str) -> str | None:
        collection = await self._patience(lambda: resolve_alias(self._client, alias))
        if collection == alias:
            raise RunConflict(
                f"{alias} is a collection on the server, so it cannot be an alias; give another --collection"
            )
        return collection

    async def aliases(self, collection: str) -> list[str]:
        found = (await self._patience(self._client.get_aliases)).aliases
        return sorted(entry.alias_name for entry in found if entry.collection_name == collection)

    async def collections(self) -> list[str]:
        found = (await self._patience(self._client.get_collections)).collections
        return sorted(entry.name for entry in found)

    async def holds(self, collection: str) -> bool:
        return await self._patience(lambda: self._client.collection_exists(collection))

    async def contract(self, collection: str) -> IndexContract | None:
        if not await self.holds(collection):
            return None
        return await self._patience(lambda: read_contract(self._client, collection))

    def owns(self, contract: IndexContract | None) -> bool:
        """A collection that was begun from here left a folder for its marks; others are another load's."""
        return contract is not None and contract.build_id != "" and self.marks_folder("", contract).is_dir()

    def marks_folder(self, collection: str, contract: IndexContract) -> Path:
        return self.state / contract.build_id

    async def reserve(self, collection: str, payload_bytes: int, contract: IndexContract) -> None:
        """The server answers for its own disk: a write that does not fit is refused there."""

    async def create(self, collection: str, contract: IndexContract) -> ServerWriter:
        writer = self._writer(collection)
        await writer.create(contract)
        return writer

    async def reopen(self, collection: str, contract: IndexContract) -> ServerWriter | None:
        return self._writer(collection)

    async def drop(self, collection: str) -> None:
        await self._patience(lambda: self._client.delete_collection(collection))

    async def publish(self, alias: str, collection: str) -> None:
        steps: list[models.AliasOperations] = [
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=alias))
        ]
        if await self.live(alias) is not None:  # both steps in one request: the server applies them as one
            steps.insert(0, models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)))
        await self._patience(lambda: self._client.update_collection_aliases(change_aliases_operations=steps))

    async def close(self) -> None:
        await self._client.close()

    def _writer(self, collection: str) -> ServerWriter:
        return ServerWriter(self._client, collection, self._storage, self._parallel, self._patience, self._console)
