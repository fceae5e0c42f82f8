"""Fuse vectors, fill a fresh collection, verify it, and only then make it live."""

import shlex
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from rich.console import Console

from app.errors import RunConflict, VerificationError
from app.index import IndexContract, IndexLocation
from offline.builds import Target, check_whole, choose
from offline.evaluate import needing_extra
from offline.filling import Filling, FusedRun, fill, verify_count, verify_shards
from offline.load_request import (
    LoadRequest,
    check_options,
    collection_name,
    contract_of,
    finished,
)
from offline.locks import setup_lock, worker_lock
from offline.marks import LoadMarks
from offline.run import Run, RunManifest
from offline.staging import refuse_incomplete
from offline.writers import CollectionStore, open_store

__all__ = ["LoadRequest", "check_gate", "load", "load_into"]

_LOADS = "loads"
"""Folder in a run's folder where loads into a server remember what they did."""


async def load(request: LoadRequest, console: Console) -> IndexContract:
    """Make the vectors of an embed run searchable under the alias ``collection``.

    Loading the same run with the same options again changes nothing.  A killed load goes on after
    the last shard that it marked, in a collection that was never live.  With a share of the shards
    the worker that loads the last one makes the collection live; until then the contract that is
    returned is not complete.

    Raises:
        RunConflict: the run is unfinished, or another load is writing.
        InputError: the run was made of incomplete input.
        VerificationError: what the index holds is not what was written; the alias stays.
        GateFailed: it would retrieve worse than the gate allows; nothing was written.
        IndexUnavailable: the engine does not answer.
    """
    async with _opened(request, console) as (store, run, manifest):
        return await load_into(store, request, run, manifest, console)


async def check_gate(request: LoadRequest, console: Console) -> None:
    """What ``load`` does first of all: hold the run to the gate.

    Raises: as ``load`` does.
    """
    async with _opened(request, console) as (store, run, manifest):
        await _pass_gate(store, request, FusedRun(run, manifest, request.alpha, request.keep_queries), console)


@asynccontextmanager
async def _opened(request: LoadRequest, console: Console) -> AsyncIterator[tuple[CollectionStore, Run, RunManifest]]:
    """The store of a load that can begin, with the run that goes there."""
    location = IndexLocation.parse(request.index)
    check_options(request, location)
    run = Run(request.vectors)
    manifest = finished(run)
    refuse_incomplete(manifest.report, request.vectors, request.allow_partial)
    state = run.folder / _LOADS
    store = open_store(location, request.access, console, state, request.storage, request.uploads)
    try:
        yield store, run, manifest
    finally:
        await store.close()


async def load_into(
    store: CollectionStore, request: LoadRequest, run: Run, manifest: RunManifest, console: Console
) -> IndexContract:
    """The same into an open store."""
    source = FusedRun(run, manifest, request.alpha, request.keep_queries)
    contract = contract_of(request, run, manifest)
    await _pass_gate(store, request, source, console)
    with ExitStack() as held:
        with setup_lock(store.state, console):
            live = await store.live(request.collection)
            target = await choose(store, collection_name(request, manifest), live, request.rebuild)
            if target.whole is not None and not request.rebuild:
                await check_whole(store, target.whole, await store.contract(target.whole))
                if target.whole != live:
                    await store.publish(request.collection, target.whole)
                console.print(f"{request.collection} -> {target.whole}: loaded before, live now")
                return await store.contract(target.whole) or contract
            await store.reserve(target.collection, run.staging_path.stat().st_size, contract)
            filling = await _go_on(store, request, source, target, held, console)
            if filling is None:
                filling = await _begin(store, request, manifest.shard_size, target.collection, contract, held)
        try:
            units = request.share.units(manifest.shard_count)
            written = await fill(filling, source, units, request.uploads.batch_points, console)
            return await _finish(store, request, source, filling, written, console)
        finally:
            await filling.writer.close()


async def _pass_gate(store: CollectionStore, request: LoadRequest, source: FusedRun, console: Console) -> None:
    """Hold to the gate whatever may become live, written before or not; what is live already stays so unjudged."""
    if request.gate is None:
        return
    live = await store.live(request.collection)
    target = await choose(store, collection_name(request, source.manifest), live, request.rebuild)
    if live is not None and target.whole == live and not request.rebuild:
        return
    with needing_extra():
        from offline.load_gate import pass_gate

    await pass_gate(request.gate, source, console)


async def _go_on(
    store: CollectionStore, request: LoadRequest, source: FusedRun, target: Target, held: ExitStack, console: Console
) -> Filling | None:
    """What an interrupted load left, None where nothing can be made of it."""
    if target.interrupted is None:
        return None
    marks = LoadMarks(
        store.marks_folder(target.collection, target.interrupted), request.share, source.manifest.shard_size
    )
    if not marks.begun:
        return None
    _hold(marks, request, target.collection, held)
    writer = await store.reopen(target.collection, target.interrupted)
    loaded = source.passages_in(marks.shards())
    if writer is not None and await writer.count() >= loaded:
        if loaded:
            console.print(f"{target.collection}: going on after {loaded:,} passages")
        return Filling(target.collection, target.interrupted, writer, marks)
    if writer is not None:
        await writer.close()
    held.close()
    console.print(f"{target.collection} is not what an interrupted load left there; it is begun anew")
    return None


async def _begin(
    store: CollectionStore,
    request: LoadRequest,
    shard_size: int,
    collection: str,
    contract: IndexContract,
    held: ExitStack,
) -> Filling:
    if await store.holds(collection):
        await store.drop(collection)
    contract = contract.model_copy(update={"build_id": uuid.uuid4().hex})
    marks = LoadMarks(store.marks_folder(collection, contract), request.share, shard_size)
    marks.claim()
    writer = await store.create(collection, contract)
    kept = await store.contract(collection)  # known before the hours of filling, not after
    if kept is None:
        await store.drop(collection)
        raise VerificationError(f"the index does not keep the contract of {collection}; xQG needs Qdrant 1.16 or later")
    if kept != contract:
        raise RunConflict(f"another load began {collection} at this moment; wait for it and run the same command again")
    marks.begin()
    _hold(marks, request, collection, held)
    return Filling(collection, contract, writer, marks)


def _hold(marks: LoadMarks, request: LoadRequest, collection: str, held: ExitStack) -> None:
    try:
        held.enter_context(worker_lock(marks.folder, request.share))
    except RunConflict as error:
        raise RunConflict(
            f"another process is loading {request.vectors} into {collection}; wait for it. Workers of one load need "
            "a part each and all the same N in --shard I/N"
        ) from error


async def _finish(
    store: CollectionStore,
    request: LoadRequest,
    source: FusedRun,
    filling: Filling,
    written: set[int],
    console: Console,
) -> IndexContract:
    """Once every shard is there: verify, build the graph, complete the contract, move the alias."""
    collection, contract = filling.collection, filling.contract
    there = await store.contract(collection)
    if there is not None and there.complete:
        console.print(f"{collection} is loaded, and live by another worker")
        return there
    shards = set(range(source.manifest.shard_count))
    missing = shards - filling.marks.shards()
    if missing:
        console.print(
            f"part {request.share} of {collection} is loaded. {len(missing):,} of {len(shards):,} shards are missing, "
            "which other parts load; the last to end makes it live, as does the same command without --shard"
        )
        return contract
    with ExitStack() as held:
        try:
            held.enter_context(worker_lock(filling.marks.folder / "finish"))
        except RunConflict:
            console.print(f"part {request.share} of {collection} is loaded, the last; another worker is finishing")
            return contract
        try:
            await verify_count(filling)
            console.print("building the graph")
            await filling.writer.build_graph()
            await verify_count(filling)
            await verify_shards(filling, source, shards - written)
        except VerificationError:
            filling.marks.void()
            raise
        contract = contract.model_copy(update={"complete": True})
        with setup_lock(store.state, console):
            live = await store.live(request.collection)
            await filling.writer.complete(contract)
            await store.publish(request.collection, collection)
            filling.marks.remove()
    console.print(
        f"{request.collection} -> {collection}: {contract.passages:,} passages, alpha {request.alpha:g}, "
        "verified and live"
    )
    if live not in (None, collection):
        await _tell_change(store, request, str(live), contract, console)
    return contract


async def _tell_change(
    store: CollectionStore, request: LoadRequest, live: str, contract: IndexContract, console: Console
) -> None:
    before = await store.contract(live)
    dropped = sorted(set(before.fields) - set(contract.fields)) if before else []
    if dropped:
        console.print(f"{', '.join(dropped)} can no longer be filtered by: no --filter-field named it")
    console.print(f"the index before it, {live}, is kept; a running service goes over to the new one by itself")
    where = f"--index {shlex.quote(request.index)} --collection {request.collection}"
    console.print(f"to go back: python -m offline rollback {where} --to {live}", soft_wrap=True)
