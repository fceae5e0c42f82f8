"""Logs as lines for people or as JSON for machines, with the id of the request that each belongs to."""

import json
import logging
import sys
from contextvars import ContextVar
from typing import Any, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from app.settings import LogFormat, LogLevel

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set for the time of a request, in its own task."""

_NOT_FIELDS = frozenset({*RESERVED_ATTRS, "color_message"})  # the latter is uvicorn's, for terminals
_TO_QUOTE = frozenset(' "=')


def configure(log_format: LogFormat, log_level: LogLevel, stream: TextIO | None = None) -> None:
    """Send every log line of the process, those of the libraries and warnings too, to ``stream``.

    Args:
        log_format: ``auto`` is text on a terminal, else JSON.
        log_level: the least grave that is written.  Below ``info`` only our own: what libraries
            tell then has headers in it, and keys with them.
        stream: stderr, unless given.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        _TextFormatter() if log_format == "text" or (log_format == "auto" and stream.isatty()) else _json_formatter()
    )
    handler.addFilter(_leave_out_private)
    handler.addFilter(_add_request_id)
    level = logging.getLevelNamesMapping()[log_level.upper()]
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("app").setLevel(level)
    logging.captureWarnings(capture=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line per call to Qdrant
    logging.getLogger("mcp").setLevel(logging.WARNING)  # one line per request to /mcp, of a session that there is none
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # its lines hold query strings


def _leave_out_private(record: logging.LogRecord) -> bool:
    """What libraries note on every record for themselves, such as ray its ``_ray_timestamp_ns``."""
    for name in [name for name in vars(record) if name.startswith("_")]:
        delattr(record, name)
    return True


def _add_request_id(record: logging.LogRecord) -> bool:
    request_id = REQUEST_ID.get()
    if request_id is not None and not hasattr(record, "request_id"):
        record.request_id = request_id
    return True


def _json_formatter() -> JsonFormatter:
    """One object a line: timestamp (UTC), level, logger, message, and the line's own fields."""
    return JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        reserved_attrs=_NOT_FIELDS,
        timestamp=True,
        json_ensure_ascii=False,
    )


class _TextFormatter(logging.Formatter):
    """``12:03:04 INFO POST /v1/search 200 duration_ms=14.3 …``; values as JSON, so that no value breaks a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, the standard library's name
        fields: dict[str, Any] = {
            name: value
            for name, value in vars(record).items()
            if name not in _NOT_FIELDS and name not in ("message", "asctime", "method", "route", "status")
        }
        line = super().formatMessage(record)
        return " ".join([line, *(f"{name}={_value(value)}" for name, value in fields.items())])


def _value(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and not _TO_QUOTE.intersection(value):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
