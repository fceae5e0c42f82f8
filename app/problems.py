"""Errors to ``application/problem+json`` (RFC 9457)."""

import logging
import math
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from app.errors import InvalidRequest, MalformedRequest, RequestTimeout, RequestTooLarge, XqgError, problem_of
from app.schemas import FieldProblem, ProblemModel

_LOG = logging.getLogger(__name__)
_MOST_FIELDS = 20  # a body may hold a hundred thousand wrong ones
_TYPE = "urn:xqg:problem:"


def problem_from(error: Exception, request_id: str) -> ProblemModel:
    """The body for any error; what was not raised on purpose tells nothing of its insides."""
    row = problem_of(error)
    detail = (
        error.message
        if isinstance(error, XqgError)
        else "the service failed unexpectedly; its log has the cause under this request id"
    )
    return ProblemModel(type=_TYPE + row.slug, title=row.title, status=row.status, detail=detail, request_id=request_id)


def problem_from_validation(error: RequestValidationError | ValidationError, request_id: str) -> ProblemModel:
    """400 where the JSON cannot be read, else 422 with every field's problem."""
    errors = error.errors()
    if any(each["type"] == "json_invalid" for each in errors):
        return problem_from(
            MalformedRequest("the body is not valid JSON; check quotes, commas and brackets"), request_id
        )
    if any(each["type"] == "model_attributes_type" and each["loc"] == ("body",) for each in errors):
        return problem_from(
            InvalidRequest("send a JSON object, with the header content-type: application/json"), request_id
        ).model_copy(update={"errors": [FieldProblem(field="body", message="is no JSON object")]})
    # the framework puts the place (body, query, path) before the field's name
    place = 1 if isinstance(error, RequestValidationError) else 0
    fields = [
        FieldProblem(
            field=".".join(map(str, each["loc"][place:])) or "body", message=each["msg"].removeprefix("Value error, ")
        )
        for each in errors[:_MOST_FIELDS]
    ]
    detail = "; ".join(f"{each.field}: {each.message}" for each in fields[:5])
    if len(errors) > 5:
        detail += f"; and {len(errors) - 5:,} more"
    return problem_from(InvalidRequest(detail), request_id).model_copy(update={"errors": fields})


def slug_of(problem: ProblemModel) -> str:
    """The last word of its type."""
    return problem.type.removeprefix(_TYPE)


def log_if_unexpected(error: Exception, request_id: str) -> None:
    """With its traceback, which no caller is shown."""
    if problem_of(error).status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("request %s failed", request_id, exc_info=error)


class ProblemResponse(JSONResponse):
    """A problem; its type becomes a fact of the request, for metrics and log."""

    media_type = "application/problem+json"

    def __init__(self, problem: ProblemModel, headers: dict[str, str]) -> None:
        super().__init__(jsonable_encoder(problem, exclude_none=True), status_code=problem.status, headers=headers)
        self._slug = slug_of(problem)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.get("state", {}).get("facts", {})["problem"] = self._slug
        await super().__call__(scope, receive, send)


def respond(problem: ProblemModel, retry_after_s: float | None = None) -> ProblemResponse:
    return ProblemResponse(
        problem, {} if retry_after_s is None else {"Retry-After": str(max(1, math.ceil(retry_after_s)))}
    )


def install(app: FastAPI) -> None:
    """Register a handler for every kind of error but the unexpected, which is the middleware's."""

    async def on_ours(request: Request, error: Exception) -> JSONResponse:
        log_if_unexpected(error, request.state.request_id)
        return respond(problem_from(error, request.state.request_id), getattr(error, "retry_after_s", None))

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return respond(problem_from_validation(error, request.state.request_id))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == HTTPStatus.REQUEST_TIMEOUT:
            return await on_ours(request, RequestTimeout(error.detail))
        if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return await on_ours(request, RequestTooLarge(error.detail))
        if error.status_code == HTTPStatus.BAD_REQUEST:
            return await on_ours(request, MalformedRequest("the body cannot be read; send UTF-8 JSON"))
        phrase = HTTPStatus(error.status_code).phrase
        detail = f"there is no {request.url.path} here; /docs lists what is"
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.url.path} does not take {request.method}; /docs lists what it takes"
        problem = ProblemModel(
            type=_TYPE + phrase.lower().replace(" ", "-"),
            title=phrase,
            status=error.status_code,
            detail=detail,
            request_id=request.state.request_id,
        )
        answer = respond(problem)
        answer.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # the framework names the first route's methods alone
            answer.headers["Allow"] = ", ".join(
                method
                for method in ("GET", "HEAD", "POST")
                if any(
                    route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes
                )
            )
        return answer

    app.add_exception_handler(XqgError, on_ours)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
