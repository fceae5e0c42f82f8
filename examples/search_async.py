"""Ask the service from asyncio: questions in seven languages, side by side.

Install the client (``pip install ./client``), then ``python examples/search_async.py http://localhost:8000``.
"""

import asyncio
import os
import sys

from xqg_client import AsyncXqgClient, XqgError

QUESTIONS = {
    "ar": "من رسم لوحة الموناليزا؟",
    "bn": "আগ্রা শহরটি কোন নদীর তীরে অবস্থিত?",
    "fi": "Kuka oli ensimmäinen nainen avaruudessa?",
    "ja": "パナマ運河はどの二つの海を結んでいますか？",
    "ko": "메탈리카는 어떤 장르의 음악을 연주하는 밴드인가요?",
    "ru": "Через какой пролив перекинут мост «Золотые Ворота»?",
    "te": "ఈఫిల్ టవర్ ఎక్కడ ఉంది?",
}


async def main(url: str) -> None:
    async with AsyncXqgClient(url, api_key=os.environ.get("XQG_CLIENT_KEY")) as client:
        asked = [client.search(question, top_k=1, lang=lang) for lang, question in QUESTIONS.items()]
        for lang, result in zip(QUESTIONS, await asyncio.gather(*asked), strict=True):
            print(f"{lang}: {result.query} -> {result.hits[0].title} ({result.timings_ms['total']:.0f} ms)")


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"))
    except (XqgError, ValueError) as error:  # the latter where the argument is no URL
        sys.exit(f"error: {error}")
