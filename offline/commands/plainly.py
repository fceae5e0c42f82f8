"""Errors of a command as one line on stderr and an exit code."""

import errno
import functools
import sqlite3
import sys
from collections.abc import Callable
from typing import ParamSpec

from app.errors import OutOfSpace, XqgError

P = ParamSpec("P")

_DAMAGED = (
    "a SQLite file of the job's folder is damaged ({error}); remove it (staging.sqlite, where `embed` or `generate` "
    "wrote it) and run the command that wrote it again: what else is done is kept"
)
_NO_SPACE = "no space left to write{where}; free some and run the same command again"


def plainly(command: Callable[P, None]) -> Callable[P, None]:
    """What goes wrong on purpose is one line on stderr and a non-zero exit, with no traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            return
        except XqgError as error:
            message, code = error.message, error.exit_code
        except KeyboardInterrupt:
            message, code = "interrupted; run the same command again to go on", 130
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                message, code = _NO_SPACE.format(where=""), OutOfSpace.exit_code
            else:
                message, code = _DAMAGED.format(error=error), 1
        except OSError as error:
            where = f" {error.filename}" if error.filename else ""
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                message, code = _NO_SPACE.format(where=where), OutOfSpace.exit_code
            elif where:
                message, code = f"cannot use{where}: {error.strerror}; give another path", 2
            else:
                raise
        # plain print: a terminal folds the line where it must, and a log keeps it whole
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
        raise SystemExit(code)

    return run
