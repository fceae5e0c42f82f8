"""Client of an xQG service: ask in seven languages, get English passages.

from xqg_client import XqgClient

with XqgClient("http://localhost:8000") as client:
    for hit in client.search("ఈఫిల్ టవర్ ఎక్కడ ఉంది?", top_k=3).hits:
        print(hit.rank, hit.title, hit.score)
"""

from xqg_client.answers import Explanation, Hit, Info, MatchedQuery, Passage, Readiness, SearchResult
from xqg_client.calls import MAX_BATCH_SEARCHES, Outcome, Search
from xqg_client.clients import AsyncXqgClient, XqgClient
from xqg_client.errors import ServiceProblem, ServiceUnreachable, UnexpectedAnswer, XqgError
from xqg_client.retry import Retry

__version__ = "0.1.0"

__all__ = [
    "MAX_BATCH_SEARCHES",
    "AsyncXqgClient",
    "Explanation",
    "Hit",
    "Info",
    "MatchedQuery",
    "Outcome",
    "Passage",
    "Readiness",
    "Retry",
    "Search",
    "SearchResult",
    "ServiceProblem",
    "ServiceUnreachable",
    "UnexpectedAnswer",
    "XqgClient",
    "XqgError",
]
