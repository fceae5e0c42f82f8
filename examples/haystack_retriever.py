"""XqgRetriever: an xQG service as a Haystack component.

Copy this file; it needs ``haystack-ai`` and the client (``pip install ./client``).  Haystack tells its
makers which components a pipeline has, unless ``HAYSTACK_TELEMETRY_ENABLED=false`` is set.
"""

import sys
from typing import Any

from haystack import Document, Pipeline, component
from haystack.utils import Secret
from xqg_client import AsyncXqgClient, SearchResult, XqgClient


@component
class XqgRetriever:
    """Questions in seven languages in, English documents out, closest first.

    ``filter`` is as the service takes it, ``{"topic": ["Arts"]}``, which is not Haystack's own way.
    ``run_async`` keeps its connections for one event loop: end each with ``close_async``.
    """

    def __init__(
        self,
        url: str,
        top_k: int = 10,
        filter: dict[str, Any] | None = None,  # noqa: A002, the service's name
        api_key: Secret = Secret.from_env_var("XQG_CLIENT_KEY", strict=False),  # noqa: B008, frozen
    ) -> None:
        self.url = url
        self.top_k = top_k
        self.filter = filter
        self.api_key = api_key
        self._client: XqgClient | None = None
        self._async_client: AsyncXqgClient | None = None

    def warm_up(self) -> None:
        self._client = self._client or XqgClient(self.url, api_key=self.api_key.resolve_value())

    async def warm_up_async(self) -> None:
        self._async_client = self._async_client or AsyncXqgClient(self.url, api_key=self.api_key.resolve_value())

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def close_async(self) -> None:
        if self._async_client is not None:
            await self._async_client.aclose()
            self._async_client = None

    @component.output_types(documents=list[Document])
    def run(self, query: str, top_k: int | None = None) -> dict[str, list[Document]]:
        self.warm_up()
        assert self._client is not None
        return _documents(self._client.search(query, top_k=self._asked(top_k), filter=self.filter))

    @component.output_types(documents=list[Document])
    async def run_async(self, query: str, top_k: int | None = None) -> dict[str, list[Document]]:
        await self.warm_up_async()
        assert self._async_client is not None
        return _documents(await self._async_client.search(query, top_k=self._asked(top_k), filter=self.filter))

    def _asked(self, top_k: int | None) -> int:
        return self.top_k if top_k is None else top_k


def _documents(result: SearchResult) -> dict[str, list[Document]]:
    return {
        "documents": [
            Document(id=hit.docid, content=hit.text, meta={**hit.metadata, "title": hit.title}, score=hit.score)
            for hit in result.hits
        ]
    }


if __name__ == "__main__":
    pipeline = Pipeline()
    pipeline.add_component("retriever", XqgRetriever(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"))
    for question in ("من رسم لوحة الموناليزا؟", "메탈리카는 어떤 장르의 음악을 연주하는 밴드인가요?"):
        found = pipeline.run({"retriever": {"query": question, "top_k": 2}})["retriever"]["documents"]
        print(question, [each.meta["title"] for each in found])
    pipeline.close()
