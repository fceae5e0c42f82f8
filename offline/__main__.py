"""``python -m offline``: export, embed, load, build, demo."""

import typer

from offline.commands.build import build
from offline.commands.demo import demo
from offline.commands.embed import embed
from offline.commands.export import export
from offline.commands.load import load

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Export encoders, embed and fuse passages with their generated queries, load them into Qdrant.",
)
for command in (export, embed, load, build, demo):
    cli.command()(command)

if __name__ == "__main__":
    cli()
