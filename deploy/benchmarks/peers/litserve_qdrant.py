"""LitServe with batches of up to 32, sentence-transformers and qdrant-client's local mode."""

from typing import Any

import litserve
import litserve.server
from sentence_transformers import SentenceTransformer

from deploy.benchmarks.peers.corpus import QUERY_PREFIX, options
from deploy.benchmarks.peers.qdrant_local import fill_client, search

_BATCH = 32
_BATCH_TIMEOUT_S = 0.005


class SearchApi(litserve.LitAPI):
    def setup(self, device: str) -> None:
        args = options()  # this runs in a process of its own
        self.encoder = SentenceTransformer(str(args.model), device="cpu")
        self.client = fill_client(args.corpus)

    def decode_request(self, request: dict[str, str]) -> str:
        return request["query"]

    def predict(self, questions: list[str]) -> list[Any]:
        vectors = self.encoder.encode(questions, prompt=QUERY_PREFIX, normalize_embeddings=True)
        return [search(self.client, vector) for vector in vectors]

    def encode_response(self, hits: Any) -> dict[str, Any]:
        return {"hits": hits}


def main() -> None:
    # with `mcp`, which txtai brings, but without `fastmcp`, LitServe 0.2.19 does not start
    litserve.server._MCP_AVAILABLE = False
    api = SearchApi(max_batch_size=_BATCH, batch_timeout=_BATCH_TIMEOUT_S, api_path="/search")
    server = litserve.LitServer(api, accelerator="cpu")
    server.run(port=options().port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
