"""XqgRetriever: an xQG service as a LangChain retriever.

Copy this file; it needs ``langchain-core`` and the client (``pip install ./client``).
"""

import os
import sys
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from xqg_client import AsyncXqgClient, SearchResult, XqgClient


class XqgRetriever(BaseRetriever):
    """Questions in seven languages in, English documents out, closest first.

    The clients are the caller's, to share and to close.  Without ``async_client``, ``ainvoke`` asks
    through ``client`` in a thread.  ``filter`` is as the service takes it: ``{"topic": ["Arts"]}``.
    """

    client: XqgClient
    async_client: AsyncXqgClient | None = None
    top_k: int = 10
    filter: dict[str, Any] = {}  # noqa: RUF012, pydantic copies it

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return _documents(self.client.search(query, top_k=self.top_k, filter=self.filter))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        if self.async_client is None:
            return await super()._aget_relevant_documents(query, run_manager=run_manager)
        return _documents(await self.async_client.search(query, top_k=self.top_k, filter=self.filter))


def _documents(result: SearchResult) -> list[Document]:
    return [
        Document(hit.text, id=hit.docid, metadata={**hit.metadata, "title": hit.title, "score": hit.score})
        for hit in result.hits
    ]


if __name__ == "__main__":
    with XqgClient(*sys.argv[1:2] or ["http://localhost:8000"], api_key=os.environ.get("XQG_CLIENT_KEY")) as client:
        titles = XqgRetriever(client=client, top_k=2) | (lambda found: [each.metadata["title"] for each in found])
        for question in ("パナマ運河はどの二つの海を結んでいますか？", "আগ্রা শহরটি কোন নদীর তীরে অবস্থিত?"):
            print(question, titles.invoke(question))
