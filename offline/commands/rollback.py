"""``rollback``: an earlier build of an index goes live again."""

import asyncio
from typing import Annotated

import typer

from app.index import ServerAccess
from offline.builds import open_builds, roll_back
from offline.commands import load_options, options
from offline.commands.plainly import plainly
from offline.progress import console


@plainly
def rollback(
    index: options.Index,
    collection: options.Collection = "passages",
    to: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The build to go back to; without, the one before."),
    ] = None,
    api_key: options.ApiKey = None,
    grpc_port: options.GrpcPort = 6334,
    timeout_s: options.TimeoutS = 60,
    retry_s: load_options.RetryS = 10,
) -> None:
    """Make an earlier build live again, once it is checked that it is whole."""
    access = ServerAccess(api_key, grpc_port, timeout_s)

    async def run() -> None:
        async with open_builds(index, collection, access, retry_s, console) as store:
            before, now = await roll_back(store, collection, to)
        if before == now:
            console.print(f"{collection} -> {now.collection}: live already")
            return
        passages = now.contract.passages if now.contract else 0
        console.print(f"{collection} -> {now.collection}: {passages:,} passages, live instead of {before.collection}")
        console.print("a running service goes over to it by itself")

    asyncio.run(run())
