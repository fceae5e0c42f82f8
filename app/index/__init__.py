"""Where fused passage vectors live: Qdrant in process (Edge) or a Qdrant server."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.errors import ConfigurationError
from app.index.access import ServerAccess
from app.index.contract import IndexContract
from app.index.protocol import PassageIndex

__all__ = ["IndexContract", "IndexLocation", "PassageIndex", "ServerAccess", "check_collection"]

_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_collection(name: str) -> str:
    """A name that is safe as a folder and as a Qdrant collection.

    Raises:
        ConfigurationError: it is not.
    """
    if not _COLLECTION.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no collection name; use letters, digits, '.', '_' and '-'")
    return name


@dataclass(frozen=True, slots=True)
class IndexLocation:
    """``edge:<folder>`` or ``http(s)://host:port``, parsed."""

    folder: Path | None = None
    url: str | None = None

    @classmethod
    def parse(cls, text: str) -> "IndexLocation":
        """Raises ConfigurationError where the text is neither, or names a user, whom nobody would tell the server."""
        if text.startswith("edge:") and len(text) > len("edge:"):
            return cls(folder=Path(text.removeprefix("edge:")))
        shown = re.sub("^([a-z]+://)?.*@", r"\1…@", text)  # a password does not belong in a log
        remedy = "write edge:<folder> or http://host:port"
        try:
            url = urlsplit(text)
            if url.scheme in ("http", "https") and url.hostname and url.port != 0:
                if "@" not in url.netloc:
                    return cls(url=text)
                remedy = "leave the user out, which Qdrant's client does not send; XQG_QDRANT_API_KEY holds the key"
        except ValueError:  # brackets around no address, or a port that is no number or out of range
            pass
        raise ConfigurationError(f"{shown!r} is no index; {remedy}")
