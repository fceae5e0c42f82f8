"""The passages that a reader can try ``build`` with, built and asked as the READMEs tell."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest

from app.bundle import Bundle
from app.languages import LANGUAGES
from app.settings import Settings
from tests.conftest import ROOT

CORPUS = ROOT / "examples" / "corpus"
# none of them among the generated queries
QUESTIONS = {
    "ar": ("متى كانت البتراء عاصمة الأنباط؟", "petra"),
    "bn": ("সুন্দরবনের বাঘ কোথায় থাকে?", "sundarbans"),
    "fi": ("Milloin Kalevala ilmestyi ensimmäisen kerran?", "kalevala"),
    "ja": ("割れた器を金で直す技術は何といいますか", "kintsugi"),
    "ko": ("훈민정음은 몇 년에 반포되었나요?", "hangul"),
    "ru": ("Какова глубина Байкала?", "baikal"),
    "te": ("కావేరి నది పొడవు ఎంత?", "kaveri"),
}


@pytest.fixture(scope="module")
def asked(
    demo_bundle: Bundle,
    run_offline: Callable[..., CompletedProcess[str]],
    serve: Callable[[Settings], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("examples")
    index = f"edge:{folder / 'index'}"
    files = ["--corpus", CORPUS / "corpus.jsonl", "--queries", CORPUS / "queries.jsonl"]
    places = ["--bundle", demo_bundle.folder, "--vectors", folder / "vectors", "--index", index]
    result = run_offline("build", *files, *places, "--alpha", 0.05, "--filter-field", "topic")
    assert result.returncode == 0, result.stderr
    settings = Settings(bundle=demo_bundle.folder, index=index, timeout_s=120)
    with serve(settings) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client


def test_each_passage_has_a_query_in_each_language(asked: httpx.Client) -> None:
    index: dict[str, Any] = asked.get("/v1/info").json()["index"]
    assert index["augmented_passages"] == index["passages"] == 8
    assert index["queries_per_language"] == {language.code: 8 for language in LANGUAGES}


@pytest.mark.parametrize(("question", "docid"), QUESTIONS.values(), ids=QUESTIONS)
def test_a_new_question_finds_its_passage(asked: httpx.Client, question: str, docid: str) -> None:
    hits = asked.get("/v1/search", params={"q": question, "top_k": 1}).json()["hits"]
    assert [hit["docid"] for hit in hits] == [docid]
    known: dict[str, list[str]] = asked.get(f"/v1/passages/{docid}").json()["generated_queries"]
    assert question not in {query for queries in known.values() for query in queries}
