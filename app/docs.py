"""The docs page: Swagger UI from the package, under a policy that lets nothing else run."""

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

_ASSETS = "static-offline-docs"  # where fastapi_offline mounts its copy
_PARAMETERS = {
    "tryItOutEnabled": True,
    "displayRequestDuration": True,
    "defaultModelsExpandDepth": 0,  # the schemas are folded away below the operations
    "validatorUrl": None,  # another host's
}
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def install(app: FastAPI) -> None:
    """Add ``/docs``."""
    title = app.title  # the framework keeps what it was once given to answer with, and must not keep the service

    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(  # relative addresses, which hold under any prefix of a proxy
            openapi_url="openapi.json",
            title=title,
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url="page/icon.svg",
            swagger_ui_parameters=_PARAMETERS,
        )
        page.headers["Content-Security-Policy"] = _policy(bytes(page.body).decode())
        return page

    app.add_api_route("/docs", docs, include_in_schema=False)


def _policy(html: str) -> str:
    """Allow this host's files and the page's own script, which is named by its hash."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(html))
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "  # Swagger UI sets styles
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
