"""``ledger``: what is done of a job, and what is missing."""

from pathlib import Path
from typing import Annotated

import typer

from app.errors import ConfigurationError
from offline.commands.plainly import plainly
from offline.generate.folder import MANIFEST as GENERATION
from offline.generate.folder import Generation
from offline.generate.ledger import Ledger
from offline.progress import console
from offline.run import MANIFEST as RUN
from offline.run import Run

_INCOMPLETE = 4


@plainly
def ledger(folder: Annotated[Path, typer.Argument(help="Folder of a generate or an embed job.")]) -> None:
    """Show what is done of a job and what is missing; exits with 4 while anything is."""
    if (folder / GENERATION).is_file():
        complete = _of_generation(Generation(folder))
    elif (folder / RUN).is_file():
        complete = _of_run(Run(folder))
    else:
        raise ConfigurationError(f"{folder} holds no job of `generate` or `embed`")
    if not complete:
        raise SystemExit(_INCOMPLETE)


def _of_generation(generation: Generation) -> bool:
    manifest = generation.manifest()
    assert manifest is not None, "its file is there"
    found = Ledger.of(generation, manifest)
    found.show(manifest, console)
    return found.is_complete


def _of_run(run: Run) -> bool:
    manifest = run.manifest()
    assert manifest is not None, "its file is there"
    missing = run.missing_shards(manifest)
    done = manifest.shard_count - len(missing)
    console.print(f"run {manifest.run_id}: {done:,} of {manifest.shard_count:,} shards are embedded")
    if missing:
        first = manifest.rows(missing[0])
        console.print(f"the first that is missing holds the passages {first.start + 1:,} to {first.stop:,}")
    for code, count in manifest.report.lacking.items():
        console.print(f"{code}: {count:,} passages have fewer queries than promised")
    return not missing and not manifest.report.lacking
