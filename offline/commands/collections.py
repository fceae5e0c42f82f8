"""``collections``: the builds of an index, and the removal of one."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.index import ServerAccess
from offline.builds import Build, builds, drop, open_builds
from offline.commands import load_options, options
from offline.commands.plainly import plainly
from offline.progress import console

_WIDE = 200
"""Columns of the table: a name that is cut short cannot be given to ``--drop``."""


@plainly
def collections(
    index: options.Index,
    collection: options.Collection = "passages",
    drop_name: Annotated[
        str | None, typer.Option("--drop", metavar="NAME", help="Remove this build; one that is live is kept.")
    ] = None,
    api_key: options.ApiKey = None,
    grpc_port: options.GrpcPort = 6334,
    timeout_s: options.TimeoutS = 60,
    retry_s: load_options.RetryS = 10,
) -> None:
    """List the builds of an index, newest first, or remove one of them."""
    access = ServerAccess(api_key, grpc_port, timeout_s)

    async def run() -> None:
        async with open_builds(index, collection, access, retry_s, console) as store:
            if drop_name is not None:
                await drop(store, collection, drop_name)
                console.print(f"{drop_name} is removed")
            _show(await builds(store, collection), collection)

    asyncio.run(run())


def _show(found: list[Build], alias: str) -> None:
    if not found:
        console.print(f"there is no build of {alias}")
        return
    table = Table("name", "live", "complete", "passages", "alpha", "run", "created", "encoder")
    for build in found:
        contract = build.contract
        told = ["?"] * 5
        if contract is not None:
            created = contract.created_at[:19]
            told = [f"{contract.passages:,}", f"{contract.alpha:g}", contract.run_id, created, contract.encoder.source]
        table.add_row(build.collection, "live" if build.live else "", "yes" if build.complete else "no", *told)
    Console(width=_WIDE).print(table)
