"""FastAPI, pydantic and uvicorn with ten real passages as the answer to everything: what HTTP alone costs."""

from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from deploy.benchmarks.peers.corpus import TOP_K, Question, options


class Hit(BaseModel):
    docid: str
    title: str
    text: str
    score: float


class Answer(BaseModel):
    hits: list[Hit]


def main() -> None:
    args = options()
    hits: list[dict[str, Any]] = [{"score": 0.5, **payload} for payload in args.corpus.payloads[:TOP_K]]
    app = FastAPI()

    @app.post("/search")
    async def answer(question: Question) -> Answer:
        return Answer(hits=[Hit(**hit) for hit in hits])

    uvicorn.run(app, port=args.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
