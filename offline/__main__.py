"""``python -m offline``: every command, from a checkpoint and a corpus to an index that is measured."""

import signal
from types import FrameType

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


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    """What Ctrl-C does at this moment: asyncio cancels its task, everything else is interrupted where it is."""
    handler = signal.getsignal(signal.SIGINT)  # none, where a shell put the process into the background
    (handler if callable(handler) else signal.default_int_handler)(number, frame)


if __name__ == "__main__":
    # a container's first process has no default for SIGTERM, and would go on until it is killed
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    cli()
