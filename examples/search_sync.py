"""Ask the service from Python, one call after the other.

Install the client (``pip install ./client``), then ``python examples/search_sync.py http://localhost:8000``.
"""

import os
import sys

from xqg_client import Search, ServiceProblem, XqgClient, XqgError


def main(url: str) -> None:
    with XqgClient(url, api_key=os.environ.get("XQG_CLIENT_KEY")) as client:
        print("# a question in Russian, and the generated queries that its passage was found by")
        result = client.search("Через какой пролив перекинут мост «Золотые Ворота»?", top_k=2, lang="ru", explain=True)
        for hit in result.hits:
            print(f"{hit.rank}. {hit.title} ({hit.score:.3f})")
            for matched in hit.matched_queries:
                print(f"   {matched.score:.3f} {matched.lang} {matched.query}")

        print("# several at once: Bengali, Telugu, and nothing, which is refused")
        searches = [
            Search("আগ্রা শহরটি কোন নদীর তীরে অবস্থিত?", top_k=1),
            Search("ఈఫిల్ టవర్ ఎక్కడ ఉంది?", top_k=1, filter={"topic": {"not": "History"}}),
            Search(" "),
        ]
        for outcome in client.search_batch(searches):
            if isinstance(outcome, ServiceProblem):
                print(f"refused: {outcome.detail}")
            else:
                print(f"{outcome.query} -> {outcome.hits[0].title}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000")
    except (XqgError, ValueError) as error:  # the latter where the argument is no URL
        sys.exit(f"error: {error}")
