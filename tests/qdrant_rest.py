"""Qdrant's REST calls, answered by the client's in-memory engine.

What that engine does not know (graphs, quantisation, sharding, payload indexes) is kept as it was
asked for, and told back.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from qdrant_client import QdrantClient, models


@dataclass
class Collection:
    """What was asked for of a collection, beside its points."""

    created: dict[str, Any]
    """The body of the call that made it."""
    hnsw: dict[str, Any]
    """Settings of the graph by now."""
    hnsw_m: list[int]
    """Every m that was set, in order."""
    indexes: dict[str, str] = field(default_factory=dict)
    """Payload indexes: key to schema."""
    points_at_index: list[int] = field(default_factory=list)
    """How many points there were when each payload index was asked for."""


class Engine:
    """The in-memory engine, and what it does not know."""

    def __init__(self) -> None:
        self.points = QdrantClient(":memory:")
        self.collections: dict[str, Collection] = {}
        self.keeps_metadata = True
        """Servers before 1.16 do not."""
        self.looks: deque[tuple[str, str | None]] = deque()
        """Status and optimiser error that the next looks at a collection get once its graph is asked for."""

    def create(self, name: str, asked: dict[str, Any]) -> None:
        body = models.CreateCollection.model_validate(asked)
        metadata = body.metadata if self.keeps_metadata else None
        self.points.create_collection(name, vectors_config=body.vectors, metadata=metadata)
        hnsw = {key: value for key, value in (asked.get("hnsw_config") or {}).items() if value is not None}
        self.collections[name] = Collection(asked, hnsw, [hnsw["m"]] if "m" in hnsw else [])

    def update(self, name: str, asked: dict[str, Any]) -> None:
        self.points.update_collection(name, metadata=asked.get("metadata"))
        changed = {key: value for key, value in (asked.get("hnsw_config") or {}).items() if value is not None}
        kept = self.collections[name]
        kept.hnsw |= changed
        kept.hnsw_m += [changed["m"]] if "m" in changed else []

    def forget(self, name: str) -> None:
        self.points.delete_collection(name)
        self.collections.pop(name, None)

    def described(self, name: str) -> dict[str, Any]:
        """The answer to a look at a collection."""
        info = self.points.get_collection(name).model_dump(mode="json")
        kept = self.collections[name]
        config = info["config"]
        config["hnsw_config"] |= kept.hnsw
        config["quantization_config"] = kept.created.get("quantization_config")
        for setting in ("shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload"):
            config["params"][setting] = kept.created.get(setting)
        has_graph = kept.hnsw.get("m") != 0
        status, error = self.looks.popleft() if has_graph and self.looks else ("green", None)
        info["status"], info["optimizer_status"] = status, {"error": error} if error else "ok"
        info["indexed_vectors_count"] = info["points_count"] if has_graph and status == "green" else 0
        return info


def rest(engine: Engine) -> FastAPI:
    """The calls that this project makes."""
    app, points = FastAPI(), engine.points

    def result(value: object) -> dict[str, object]:
        return {"result": value, "status": "ok", "time": 0.0}

    @app.exception_handler(ValueError)
    async def refuse(_: Request, problem: Exception) -> JSONResponse:
        text = str(problem)
        return error(404 if "not found" in text else 409 if "already exists" in text else 400, text)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, problem: Exception) -> JSONResponse:
        return error(404, str(problem))

    @app.get("/aliases")
    async def get_aliases() -> object:
        return result(points.get_aliases().model_dump(mode="json"))

    @app.get("/collections")
    async def get_collections() -> object:
        return result(points.get_collections().model_dump(mode="json"))

    @app.post("/collections/aliases")
    async def change_aliases(body: models.ChangeAliasesOperation) -> object:
        return result(points.update_collection_aliases(body.actions))

    @app.get("/collections/{name}/exists")
    async def exists(name: str) -> object:
        return result({"exists": points.collection_exists(name)})

    @app.get("/collections/{name}")
    async def get(name: str) -> object:
        points.get_collection(name)  # raises where there is none
        return result(engine.described(name))

    @app.put("/collections/{name}")
    async def create(name: str, request: Request) -> object:
        engine.create(name, await request.json())
        return result(True)

    @app.patch("/collections/{name}")
    async def update(name: str, request: Request) -> object:
        engine.update(name, await request.json())
        return result(True)

    @app.delete("/collections/{name}")
    async def delete(name: str) -> object:
        known = points.collection_exists(name)
        engine.forget(name)
        return result(known)

    @app.put("/collections/{name}/index")
    async def index(name: str, body: models.CreateFieldIndex) -> object:
        kept = engine.collections[name]
        kept.points_at_index.append(points.count(name).count)
        kept.indexes[body.field_name] = str(getattr(body.field_schema, "value", body.field_schema))
        return result({"operation_id": 1, "status": "completed"})

    @app.put("/collections/{name}/points")
    async def upsert(name: str, body: models.PointsList) -> object:
        await asyncio.sleep(0.01)  # others may be under way
        points.upsert(name, body.points)
        return result({"operation_id": 1, "status": "completed"})

    @app.post("/collections/{name}/points")
    async def retrieve(name: str, body: models.PointRequest) -> object:
        payload, vectors = bool(body.with_payload), bool(body.with_vector)
        records = points.retrieve(name, body.ids, with_payload=payload, with_vectors=vectors)
        return result([record.model_dump(mode="json") for record in records])

    @app.post("/collections/{name}/points/count")
    async def count(name: str, body: models.CountRequest) -> object:
        return result(points.count(name, body.filter, exact=True).model_dump(mode="json"))

    @app.post("/collections/{name}/points/query")
    async def query(name: str, body: models.QueryRequest) -> object:
        found = points.query_points(
            name,
            query=body.query,  # type: ignore[arg-type]
            query_filter=body.filter,
            limit=body.limit or 10,
            score_threshold=body.score_threshold,
            with_payload=body.with_payload or False,
        )
        return result(found.model_dump(mode="json"))

    return app


def error(status: int, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error as Qdrant words it."""
    return JSONResponse({"status": {"error": reason}, "time": 0.0}, status, headers)
