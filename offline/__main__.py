"""``python -m offline``: every command, from a checkpoint and a corpus to an index that is measured."""

import typer

from offline.commands.build import build
from offline.commands.collections import collections
from offline.commands.demo import demo
from offline.commands.embed import embed
from offline.commands.evaluate import evaluate
from offline.commands.export import export
from offline.commands.filter import filter_command
from offline.commands.generate import generate
from offline.commands.ledger import ledger
from offline.commands.load import load
from offline.commands.plan import plan
from offline.commands.rollback import rollback

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Export encoders, generate queries, embed passages with them, fuse, and load into Qdrant.",
)
for command in (export, generate, embed, load, build, ledger, collections, rollback, plan, evaluate, demo):
    cli.command()(command)
cli.command("filter")(filter_command)

if __name__ == "__main__":
    cli()
