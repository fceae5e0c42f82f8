"""How the service is reached, which is the same for both clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from xqg_client.errors import ServiceUnreachable

_CONNECTIONS = 100
_IDLE_S = 30.0  # the service keeps idle connections for longer, so none closes under a request


def options(base_url: str, api_key: str | None, timeout_s: float) -> dict[str, Any]:
    """Of ``httpx.Client`` and ``httpx.AsyncClient``.

    Raises:
        ValueError: the base URL is none, or the key cannot be sent.
    """
    if not _is_web_address(base_url):  # which is not shown: it may hold a password
        raise ValueError("base_url is no address of a service; write it as http://localhost:8000")
    headers = {"User-Agent": "xqg-client"}
    if api_key:  # an environment variable that is set to nothing means none
        if not (api_key.isascii() and api_key.isprintable() and api_key == api_key.strip()):
            # httpx would put the key into its message
            raise ValueError("api_key has blanks around it, or characters that no header carries")
        if httpx.URL(base_url).userinfo:  # for a proxy; httpx puts it where the key would be
            headers["X-API-Key"] = api_key
        else:
            headers["Authorization"] = f"Bearer {api_key}"
    return {
        "base_url": base_url,
        "headers": headers,
        "timeout": httpx.Timeout(timeout_s, pool=None),  # to wait for a connection of one's own is no fault of theirs
        "limits": httpx.Limits(
            max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_IDLE_S
        ),
    }


def _is_web_address(base_url: str) -> bool:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


@contextmanager
def reaching(base_url: httpx.URL) -> Iterator[None]:
    """Around the sending of a request.

    Raises:
        ServiceUnreachable: httpx got no answer.
    """
    try:
        yield
    except httpx.RequestError as error:
        place = base_url.netloc.decode("ascii")  # without a user's name and password
        raise ServiceUnreachable(f"no answer from {place}: {str(error) or type(error).__name__}") from error
