"""API keys: any of several opens the door, so that they can be rotated one after the other."""

import hashlib
import hmac
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pydantic import SecretStr
from starlette.datastructures import Headers

from app.errors import ConfigurationError

_LOG = logging.getLogger(__name__)
_MIN_CHARS = 16
_SENDABLE = re.compile(r"[!-~]+")  # what a header carries unharmed
_HOW_TO_MAKE = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


class ApiKeys:
    """Holds digests of the keys, never the keys: what is not there is in no log, repr or core dump."""

    def __init__(self, keys: Iterable[str], file: Path | None = None) -> None:
        self._given = [_digest(key) for key in keys]
        self._file = file
        self._from_file: list[bytes] = []
        self._stamp: tuple[int, int, int] | None = None
        if file is not None:
            self._read(file)

    @classmethod
    def read(cls, keys: SecretStr | None, file: Path | None) -> Self | None:
        """From the settings; None where neither is set.

        Raises:
            ConfigurationError: no key, a key too short or not fit for a header, or a file that cannot be read.
        """
        if keys is None and file is None:
            return None
        return cls([] if keys is None else _checked(keys.get_secret_value().split(","), "XQG_API_KEYS"), file)

    def accept(self, headers: Headers) -> bool:
        """Whether ``Authorization: Bearer`` or ``X-API-Key`` carries one of the keys."""
        self._follow_file()
        scheme, _, token = headers.get("authorization", "").partition(" ")
        shown = [token.strip()] if scheme.lower() == "bearer" else []
        shown += headers.getlist("x-api-key")
        found = False
        for each in shown:
            digest = _digest(each)
            for known in (*self._given, *self._from_file):
                # digests are of one length, and every one is compared: the time tells nothing of the keys
                found |= hmac.compare_digest(digest, known)
        return found

    def _follow_file(self) -> None:
        if self._file is None:
            return
        try:  # one stat is a few microseconds, less than a thread would cost
            if _stamp_of(self._file) != self._stamp:
                self._read(self._file)
                _LOG.info("read the API keys again: %d in %s", len(self._from_file), self._file)
        except (OSError, ConfigurationError) as error:
            if self._stamp is not None:  # say it once; the keys that were good remain so
                _LOG.error("the API keys stay as they were: %s", error)
                self._stamp = None

    def _read(self, file: Path) -> None:
        try:
            stamp = _stamp_of(file)
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(f"XQG_API_KEYS_FILE: {file} cannot be read: {reason}") from None
        keys = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        self._from_file = [_digest(key) for key in _checked(keys, f"XQG_API_KEYS_FILE: {file}")]
        self._stamp = stamp


def _checked(keys: Iterable[str], source: str) -> list[str]:
    """The keys without surrounding spaces; an error names the place of the bad one, not the key."""
    cleaned = [key.strip() for key in keys]
    if not any(cleaned):
        raise ConfigurationError(f"{source}: holds no key; {_HOW_TO_MAKE}, or unset it to serve without keys")
    for place, key in enumerate(cleaned, start=1):
        if len(key) < _MIN_CHARS:
            raise ConfigurationError(f"{source}: key {place} is shorter than {_MIN_CHARS} characters; {_HOW_TO_MAKE}")
        if not _SENDABLE.fullmatch(key):
            raise ConfigurationError(f"{source}: key {place} has characters that no header carries; {_HOW_TO_MAKE}")
    return cleaned


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _stamp_of(file: Path) -> tuple[int, int, int]:
    status = file.stat()  # of what a link points to: Kubernetes swaps links
    return status.st_mtime_ns, status.st_size, status.st_ino
