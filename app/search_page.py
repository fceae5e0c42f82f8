"""The search page at ``/``: a few files that need no other host, under a policy that lets nothing else run."""

import hashlib
import html
import string
import urllib.parse
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response

from app.languages import LANGUAGES, Language

_FOLDER = Path(__file__).parent / "page"
_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def install(app: FastAPI) -> None:
    """Add ``/`` and the files that it names, ``/page/…``."""
    for file in sorted(_FOLDER.iterdir()):
        content = file.read_text("utf-8")
        if file.suffix == ".html":
            content = string.Template(content).substitute(examples="".join(map(_example, LANGUAGES)))
        path = "/" if file.suffix == ".html" else f"/page/{file.name}"
        endpoint = _file(content.encode(), _MEDIA_TYPES[file.suffix])
        app.add_api_route(path, endpoint, methods=["GET", "HEAD"], include_in_schema=False)


def _example(language: Language) -> str:
    """A question as a link that asks it."""
    address = html.escape("?" + urllib.parse.urlencode({"q": language.example, "lang": language.code}))
    question = html.escape(language.example)
    return (
        f'<li><a href="{address}"><span>{language.name}</span> '
        f'<span class="example" lang="{language.code}" dir="auto">{question}</span></a></li>'
    )


def _file(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that sends it, or says that what the browser has is still right."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    # a 304 brings the policy again, since a browser takes its headers for those of what it keeps
    headers = {"ETag": tag, "Content-Security-Policy": _POLICY}

    async def send(request: Request) -> Response:
        known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
        if tag in known:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return send
