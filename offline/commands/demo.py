"""``demo``: the tour."""

from pathlib import Path
from typing import Annotated

import typer

from offline.commands.plainly import plainly
from offline.progress import console


@plainly
def demo(
    folder: Annotated[Path, typer.Option(help="Where everything that the tour makes is kept.")] = Path("var/demo"),
    prepare_only: Annotated[bool, typer.Option(help="Build the demo index, ask nothing.")] = False,
) -> None:
    """The tour: a real encoder, 1,440 passages, one question in each of seven languages."""
    from offline.demo.tour import prepare, tour

    demo_files = prepare(folder, console)
    if not prepare_only:
        tour(demo_files, console)
