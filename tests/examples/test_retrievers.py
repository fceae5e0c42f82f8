"""The retrievers for LangChain and Haystack in pipelines of theirs, against the real service."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from xqg_client import AsyncXqgClient, ServiceProblem, XqgClient

from app.languages import LANGUAGES
from offline.demo.tour import ANSWERS
from tests.conftest import ROOT

TELUGU = LANGUAGES[-1].example


@pytest.fixture(autouse=True)
def _examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "false")  # read when Haystack is imported
    monkeypatch.setenv("LANGSMITH_TRACING", "false")


@pytest.fixture
def langchain(service: str) -> Iterator[Any]:
    pytest.importorskip("langchain_core", reason="langchain-core is not installed")
    from langchain_retriever import XqgRetriever

    with XqgClient(service) as client:
        yield XqgRetriever(client=client, top_k=2, filter={"topic": "Arts"})


def test_langchain_gets_documents(langchain: Any) -> None:
    first, second = langchain.invoke(TELUGU)
    assert first.id == "Eiffel Tower"
    assert "Paris" in first.page_content
    assert first.metadata["title"] == "Eiffel Tower"
    assert first.metadata["topic"] == second.metadata["topic"] == "Arts"
    assert first.metadata["score"] > second.metadata["score"]


def test_langchain_goes_on_with_the_documents_in_a_chain_and_in_batches(langchain: Any) -> None:
    chain = langchain.model_copy(update={"filter": {}}) | (lambda found: found[0].id)
    assert chain.batch([language.example for language in LANGUAGES]) == list(ANSWERS.values())


@pytest.mark.parametrize("own_client", [False, True], ids=["in a thread", "with an async client"])
async def test_langchain_asks_without_blocking(langchain: Any, service: str, own_client: bool) -> None:
    async with AsyncXqgClient(service) as client:
        retriever = langchain.model_copy(update={"async_client": client if own_client else None})
        found = await asyncio.gather(*(retriever.ainvoke(TELUGU) for _ in range(3)))
    assert [documents[0].id for documents in found] == ["Eiffel Tower"] * 3


def test_langchain_hands_on_what_the_service_refuses(langchain: Any) -> None:
    with pytest.raises(ServiceProblem, match="is blank; ask something"):
        langchain.invoke(" ")


@pytest.mark.parametrize(
    ("example", "needs", "languages"),
    [("langchain_retriever.py", "langchain_core", ("ja", "bn")), ("haystack_retriever.py", "haystack", ("ar", "ko"))],
)
def test_each_runs_as_it_stands(service: str, example: str, needs: str, languages: tuple[str, str]) -> None:
    pytest.importorskip(needs)
    result = subprocess.run(
        [sys.executable, ROOT / "examples" / example, service],
        env=os.environ | {"PYTHONPATH": str(ROOT / "client"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    for line, lang in zip(result.stdout.splitlines(), languages, strict=True):
        assert f"['{ANSWERS[lang]}', " in line


@pytest.fixture
def haystack(service: str) -> Iterator[Any]:
    haystack = pytest.importorskip("haystack", reason="haystack-ai is not installed")
    from haystack.telemetry._telemetry import telemetry
    from haystack_retriever import XqgRetriever

    assert telemetry is None, "nothing is told to anybody"
    pipeline = haystack.Pipeline()
    pipeline.add_component("retriever", XqgRetriever(service, top_k=2, filter={"topic": "Arts"}))
    yield pipeline
    pipeline.close()


def documents_of(output: dict[str, Any]) -> list[Any]:
    documents: list[Any] = output["retriever"]["documents"]
    return documents


def test_haystack_gets_documents(haystack: Any) -> None:
    first, second = documents_of(haystack.run({"retriever": {"query": TELUGU}}))
    assert first.id == "Eiffel Tower"
    assert "Paris" in first.content
    assert first.meta == {"topic": "Arts", "title": "Eiffel Tower"}
    assert second.meta["topic"] == "Arts"
    assert first.score > second.score
    assert len(documents_of(haystack.run({"retriever": {"query": TELUGU, "top_k": 1}}))) == 1


async def test_haystack_asks_without_blocking(haystack: Any) -> None:
    outputs = await asyncio.gather(*(haystack.run_async({"retriever": {"query": TELUGU}}) for _ in range(3)))
    assert [documents_of(output)[0].id for output in outputs] == ["Eiffel Tower"] * 3
    await haystack.close_async()


def test_haystack_asks_in_one_event_loop_after_another(haystack: Any) -> None:
    async def once() -> dict[str, Any]:
        try:
            output: dict[str, Any] = await haystack.run_async({"retriever": {"query": TELUGU}})
            return output
        finally:
            await haystack.close_async()

    outputs = [asyncio.run(once()) for _ in range(2)]
    assert [documents_of(output)[0].id for output in outputs] == ["Eiffel Tower"] * 2


def test_haystack_hands_on_what_the_service_refuses(haystack: Any) -> None:
    with pytest.raises(Exception, match="top_k: Input should be greater than or equal to 1"):
        haystack.run({"retriever": {"query": TELUGU, "top_k": 0}})


def test_a_haystack_pipeline_may_name_the_service_alone(haystack: Any, service: str) -> None:
    component = {"type": "haystack_retriever.XqgRetriever", "init_parameters": {"url": service}}
    pipeline = {"components": {"retriever": component}, "connections": []}
    again = type(haystack).from_dict(pipeline, allowed_modules=["haystack_retriever"])
    assert documents_of(again.run({"retriever": {"query": TELUGU, "top_k": 1}}))[0].id == "Eiffel Tower"
    again.close()


def test_a_haystack_pipeline_is_written_and_read_again_without_its_key(
    haystack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XQG_CLIENT_KEY", "a secret")
    written = haystack.dumps()
    assert "a secret" not in written
    again = type(haystack).loads(written, allowed_modules=["haystack_retriever"])
    assert documents_of(again.run({"retriever": {"query": TELUGU}}))[0].id == "Eiffel Tower"
    again.close()
