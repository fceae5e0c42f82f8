"""The OpenAPI document, exact to the index that is open: what it allows is accepted, what it forbids is refused."""

import copy
import inspect
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.security import APIKeyHeader, HTTPBearer

from app.errors import PROBLEMS, ClientGone, XqgError
from app.index.contract import FieldType, IndexContract
from app.index.filters import MAX_VALUES
from app.problems import problem_from, slug_of

Schema = dict[str, Any]
_PROBLEM = "application/problem+json"
_REQUEST_ID = "332ca8138df94fc98f2b44b6145704cd"


def problem(description: str, *, temporary: bool = False) -> Schema:
    """A response that is a problem document; a temporary one says when to come back."""
    headers: Schema = {"X-Request-ID": {"schema": {"type": "string"}, "description": "Of this request, as in the log."}}
    if temporary:
        headers["Retry-After"] = {"schema": {"type": "string"}, "description": "Seconds to wait."}
    content = {_PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemModel"}}}
    return {"description": description, "headers": headers, "content": content}


COMMON_PROBLEMS: dict[int | str, Schema] = {
    400: problem("The request is not HTTP or its body is not JSON."),
    408: problem("The request took too long to arrive."),
    413: problem("The body is too large."),
    414: problem("The URL is too long."),
    431: problem("The headers are too large or too many."),
    500: problem("The encoder failed on this query, or the service in a way that only its log tells."),
    503: problem(
        "No index that belongs to the encoder is open, it does not answer, or too many clients are connected.",
        temporary=True,
    ),
}
"""What any request may be answered."""


def with_key() -> dict[str, Any]:
    """Options of ``include_router`` for routes that need an API key; the middleware is what checks it."""
    schemes = (
        HTTPBearer(auto_error=False, description="An API key of this service."),
        APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, for clients that cannot send Bearer."),
    )
    refusal = problem("No API key, or one that is not known.")
    refusal["headers"]["WWW-Authenticate"] = {"schema": {"type": "string"}}
    return {"dependencies": [Depends(scheme) for scheme in schemes], "responses": {401: refusal}}


def install(app: FastAPI, max_query_chars: int) -> None:
    """Have ``/openapi.json`` tell the limits that are set and the fields of the index that is open."""
    generate = app.openapi

    def openapi() -> Schema:
        document = copy.deepcopy(generate())
        schemas = document["components"]["schemas"]
        search, batch = schemas["SearchRequest"]["properties"], schemas["BatchRequest"]["properties"]
        by_get = {each["name"]: each for each in document["paths"]["/v1/search"]["get"]["parameters"]}
        search["query"]["maxLength"] = by_get["q"]["schema"]["maxLength"] = max_query_chars
        # each search is checked and answered for itself, so a bad one does not make a bad batch
        batch["searches"]["items"] = {"anyOf": [{"$ref": "#/components/schemas/SearchRequest"}, {"type": "object"}]}
        try:
            contract = app.state.service.retriever.index.contract
        except (XqgError, AttributeError):  # none is open, or the service has not begun
            contract = None
        if contract is not None:
            _fit(schemas, contract)
            if not contract.keeps_queries:
                for explain in (search["explain"], by_get["explain"]["schema"]):
                    explain["const"] = False
        # in a URL it is JSON too
        by_get["filter"]["content"] = {"application/json": {"schema": search["filter"], "example": {}}}
        del by_get["filter"]["schema"]
        _show_problems(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _show_problems(document: Schema) -> None:
    """Give every status an example of each problem that it may mean, in the words of the problem's class."""
    readable = [kind for kind in PROBLEMS if kind is not ClientGone]
    words = [(inspect.getdoc(kind) or "").replace("``", "") for kind in readable]
    problems = [problem_from(kind(each), _REQUEST_ID) for kind, each in zip(readable, words, strict=True)]
    document["components"]["examples"] = {
        slug_of(each): {"summary": each.title, "value": each.model_dump(exclude_none=True)} for each in problems
    }
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if _PROBLEM in response.get("content", {}):
                    slugs = [slug_of(each) for each in problems if each.status == int(status)]
                    examples = {slug: {"$ref": f"#/components/examples/{slug}"} for slug in slugs}
                    response["content"][_PROBLEM]["examples"] = examples


def _fit(schemas: Schema, contract: IndexContract) -> None:
    """Name the fields of the index, each with its conditions."""
    conditions = {field: f"Condition_{number}" for number, field in enumerate(sorted(contract.fields), start=1)}
    for field, name in conditions.items():
        schemas[name] = _condition(contract.fields[field], name) | {"title": f"Condition on {field}"}
    schemas["SearchRequest"]["properties"]["filter"] |= {
        "properties": {field: {"$ref": f"#/components/schemas/{name}"} for field, name in conditions.items()},
        "additionalProperties": False,
    }


def _condition(kind: FieldType, name: str) -> Schema:
    values: dict[FieldType, Schema] = {
        "keyword": {"type": "string"},
        "integer": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
        "float": {"type": "number", "minimum": -(2**63), "exclusiveMaximum": 2**63},
        "bool": {"type": "boolean"},
    }
    value = values[kind]
    most = 1 if kind == "float" else MAX_VALUES
    several: Schema = {"type": "array", "items": value, "minItems": 1, "maxItems": most}
    inverse = {
        "type": "object",
        "properties": {"not": {"$ref": f"#/components/schemas/{name}"}},
        "required": ["not"],
        "additionalProperties": False,
    }
    choices = [value, several, inverse]
    if kind in ("integer", "float"):
        choices.append(
            {
                "type": "object",
                "properties": dict.fromkeys(("gt", "gte", "lt", "lte"), value),
                "minProperties": 1,
                "additionalProperties": False,
            }
        )
    return {"anyOf": choices}
