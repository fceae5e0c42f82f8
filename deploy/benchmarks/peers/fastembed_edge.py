"""FastAPI, fastembed and Qdrant Edge: ONNX Runtime fp32, a thread per request, no batching."""

import tempfile
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

from deploy.benchmarks.peers.corpus import QUERY_PREFIX, Question, options
from deploy.benchmarks.peers.edge import fill_shard, search


def main() -> None:
    args = options()
    TextEmbedding.add_custom_model(
        model="local",
        pooling=PoolingType.DISABLED,  # pooling and normalisation are inside the graph
        normalization=False,
        sources=ModelSource(hf="local"),
        dim=args.corpus.vectors.shape[1],
        model_file="model.onnx",
    )
    encoder = TextEmbedding("local", specific_model_path=str(args.model))
    app = FastAPI()
    with tempfile.TemporaryDirectory() as folder:
        shard = fill_shard(args.corpus, Path(folder))

        @app.post("/search")
        def answer(question: Question) -> dict[str, Any]:
            (vector,) = encoder.embed([QUERY_PREFIX + question.query])
            return {"hits": search(shard, vector)}

        uvicorn.run(app, port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
