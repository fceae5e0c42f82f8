"""The collections that loads made for an alias: which to fill, list, remove, or go back to."""

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console

from app.errors import ConfigurationError, RunConflict, VerificationError
from app.index import IndexContract, IndexLocation, ServerAccess, check_collection
from offline.writers import CollectionStore, Uploads, open_store


@dataclass(frozen=True, slots=True)
class Target:
    """Where a load goes."""

    whole: str | None
    """The collection that holds this content already, if any."""
    collection: str
    """A name to fill."""
    interrupted: IndexContract | None
    """The contract of what an interrupted load left under that name."""


@dataclass(frozen=True, slots=True)
class Build:
    """A collection that a load made, or began to make."""

    collection: str
    contract: IndexContract | None
    """None where it cannot be read."""
    live: bool

    @property
    def complete(self) -> bool:
        return self.contract is not None and self.contract.complete

    @property
    def created_at(self) -> datetime:
        """UTC; the earliest there is where nothing is known."""
        return datetime.fromisoformat(self.contract.created_at if self.contract else "0001-01-01T00:00:00+00:00")


async def choose(store: CollectionStore, name: str, live: str | None, rebuild: bool) -> Target:
    """The whole collection of this content, if any, and a name to fill.

    A rebuild appends -2, -3, … to the name: what is live or whole is never written over.  Of
    several whole ones the live one counts, else the newest.

    Raises:
        RunConflict: an unfinished collection belongs to another load.
    """
    whole: str | None = None
    for number in itertools.count(1):
        collection = name if number == 1 else f"{name}-{number}"
        contract = await store.contract(collection)
        if contract is not None and contract.complete:
            whole = whole if whole is not None and whole == live else collection
        elif collection == live:
            continue
        elif store.owns(contract) or not await store.holds(collection):
            return Target(whole, collection, contract)
        elif whole is None and not rebuild:
            raise RunConflict(
                f"{collection} is on the server, unfinished, and was not begun with these vectors: another load may "
                "be filling it. Wait for that one; or remove what it left with `python -m offline collections "
                f"--drop {collection}`; or fill another collection with --rebuild"
            )
    raise AssertionError("collections are finite")


@asynccontextmanager
async def open_builds(
    index: str, alias: str, access: ServerAccess, retry_s: float, console: Console
) -> AsyncIterator[CollectionStore]:
    """The store of an index that is there, to look at its builds and to change which is live.

    Raises:
        ConfigurationError: there is no such folder, or the names are none.
    """
    check_collection(alias)
    location = IndexLocation.parse(index)
    if location.folder is not None and not location.folder.is_dir():
        raise ConfigurationError(f"there is no folder {location.folder}")
    store = open_store(location, access, console, uploads=Uploads(retry_s=retry_s))
    try:
        yield store
    finally:
        await store.close()


async def builds(store: CollectionStore, alias: str) -> list[Build]:
    """The builds of an alias, newest first."""
    live = await store.live(alias)
    pattern = re.compile(rf"{re.escape(alias)}-[0-9a-f]{{12}}(-\d+)?")
    found = [
        Build(name, await store.contract(name), name == live)
        for name in await store.collections()
        if name == live or pattern.fullmatch(name)
    ]
    return sorted(found, key=lambda build: (build.created_at, build.collection), reverse=True)


async def drop(store: CollectionStore, alias: str, collection: str) -> None:
    """Remove a build that is not live.

    Raises:
        ConfigurationError: it is no build of the alias.
        RunConflict: it is live, or a service has it open.
    """
    build = _find(await builds(store, alias), alias, collection)
    pointing = await store.aliases(build.collection)
    if pointing:
        raise RunConflict(
            f"{collection} is live as {', '.join(pointing)}; load or roll back to another build before you remove it"
        )
    await store.drop(collection)


async def roll_back(store: CollectionStore, alias: str, to: str | None) -> tuple[Build, Build]:
    """Move the alias to an earlier build, or to the one named; returns the build that was live and the one that is.

    Raises:
        ConfigurationError: there is no such build.
        RunConflict: it is not complete.
        VerificationError: it does not hold as many passages as it should.
    """
    found = await builds(store, alias)
    live = next((build for build in found if build.live), None)
    if live is None:
        raise ConfigurationError(f"there is no index {alias}, so there is nothing to go back from")
    if to is not None:
        chosen = _find(found, alias, to)
    else:
        earlier = [build for build in found[found.index(live) + 1 :] if build.complete]
        if not earlier:
            raise ConfigurationError(
                f"no complete build of {alias} is older than {live.collection}; name one with --to, as "
                "`python -m offline collections` lists them"
            )
        chosen = earlier[0]
    if not chosen.live:
        await check_whole(store, chosen.collection, chosen.contract)
        await store.publish(alias, chosen.collection)
    return live, chosen


async def check_whole(store: CollectionStore, collection: str, contract: IndexContract | None) -> None:
    """Count a build before it goes live; one that a service has open was counted by that service.

    Raises:
        RunConflict: it is not complete.
        VerificationError: it is damaged, or does not hold as many passages as it should.
    """
    if contract is None or not contract.complete:
        raise RunConflict(f"{collection} is not complete, so it cannot be live; finish its load")
    try:
        writer = await store.reopen(collection, contract)
    except RunConflict:
        return
    if writer is None:
        raise VerificationError(f"{collection} is damaged; load its vectors with --rebuild")
    try:
        count = await writer.count()
    finally:
        await writer.close()
    if count != contract.passages:
        raise VerificationError(
            f"{collection} holds {count:,} passages instead of {contract.passages:,}; load its vectors with --rebuild"
        )


def _find(found: list[Build], alias: str, collection: str) -> Build:
    for build in found:
        if build.collection == collection:
            return build
    names = ", ".join(build.collection for build in found) or "none"
    raise ConfigurationError(f"{collection} is no build of {alias}; there are: {names}")
