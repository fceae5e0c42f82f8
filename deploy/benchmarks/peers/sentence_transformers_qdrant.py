"""FastAPI, sentence-transformers and qdrant-client's local mode: what one writes first."""

from typing import Any

import uvicorn
from fastapi import FastAPI
from sentence_transformers import SentenceTransformer

from deploy.benchmarks.peers.corpus import QUERY_PREFIX, Question, options
from deploy.benchmarks.peers.qdrant_local import fill_client, search


def main() -> None:
    args = options()
    encoder = SentenceTransformer(str(args.model), device="cpu")
    client = fill_client(args.corpus)
    app = FastAPI()

    @app.post("/search")
    def answer(question: Question) -> dict[str, Any]:
        vector = encoder.encode(question.query, prompt=QUERY_PREFIX, normalize_embeddings=True)
        return {"hits": search(client, vector)}

    uvicorn.run(app, port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
