"""generate from a chat server: real HTTP, with the faults that such servers have."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from app.errors import ConfigurationError, GeneratorUnavailable, InputError
from app.languages import CODES
from app.passages import Passage
from offline.generate.chat import ChatGenerator
from offline.generate.generator import Wanted
from offline.generate.job import GenerateRequest, generate
from offline.generate.sources import ChatSource
from offline.query_set import QuerySet
from tests.chat_stub import QUESTIONS, ChatStub, Fault, chatting, good

KEY = "sk-never-to-be-seen"
PASSAGES = 6


@pytest.fixture
def stub() -> Iterator[ChatStub]:
    with chatting() as server:
        yield server


def write_corpus(folder: Path, passages: int = PASSAGES) -> Path:
    path = folder / "c.jsonl"
    path.write_text(
        "".join(json.dumps({"docid": f"p{n}", "text": f"Passage number {n}."}) + "\n" for n in range(passages))
    )
    return path


def run(tmp_path: Path, stub: ChatStub, passages: int = PASSAGES, **options: object) -> QuerySet | None:
    source = ChatSource(**({"base_url": stub.url, "model": "m", "api_key": KEY, "retry_s": 2} | options))  # type: ignore[arg-type]
    request = GenerateRequest(write_corpus(tmp_path, passages), tmp_path / "out", source, block_size=2)
    return generate(request, Console(quiet=True))


def queries(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / "out" / "queries.jsonl").read_text().splitlines()]


def test_one_request_a_passage_fills_all_languages(tmp_path: Path, stub: ChatStub) -> None:
    described = run(tmp_path, stub)
    assert [line["docid"] for line in queries(tmp_path)] == [f"p{n}" for n in range(PASSAGES)]
    assert queries(tmp_path)[0]["generated_queries"] == json.loads(good(list(CODES)))
    assert described is not None
    assert described.queries == dict.fromkeys(CODES, 5 * PASSAGES)
    assert described.tally == {
        "requests": PASSAGES,
        "prompt_tokens": 100 * PASSAGES,
        "completion_tokens": 10 * PASSAGES,
    }
    assert stub.asked[0].body["response_format"]["json_schema"]["schema"]["required"] == list(CODES)


def test_the_cost_is_told_over_all_starts(
    tmp_path: Path, stub: ChatStub, run_offline: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    run(tmp_path, stub)
    arguments = ["--corpus", tmp_path / "c.jsonl", "--output", tmp_path / "out", "--source", "chat", "--model", "m"]
    again = run_offline("generate", *arguments, "--base-url", stub.url, "--block-size", 2, "--prices", 1000, 10000)
    assert again.returncode == 0, again.stderr
    # 6 requests of 100 and 10 tokens, made by the first start
    assert "1.20 for the tokens so far, at 1000 and 10000 a million" in again.stdout
    assert len(stub.asked) == PASSAGES


def test_the_key_goes_into_the_header_and_nowhere_else(
    tmp_path: Path, stub: ChatStub, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    run(tmp_path, stub)
    assert {asked.authorization for asked in stub.asked} == {f"Bearer {KEY}"}
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert KEY not in "".join(capfd.readouterr()) + caplog.text
    assert KEY not in repr(ChatSource(stub.url, "m", KEY))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, headers={"retry-after": "0"}, body=b'{"error": {"message": "slow down"}}'),
        Fault(status=503, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, body=b"down"),
        Fault(status=500, body=b""),
        Fault(drop=True),
        Fault(body=b"<html>a proxy's page</html>"),
        Fault(body=b'{"choices": []}'),
        Fault(body=b'{"choices": [{"message": null}]}'),
        Fault(status=502, headers={"retry-after": "soon"}, body=b'{"error": "bad gateway"}'),
    ],
    ids=["429", "503", "500", "reset", "no JSON", "no choice", "no message", "502"],
)
def test_a_fault_that_passes_changes_nothing_but_the_tally(tmp_path: Path, stub: ChatStub, fault: Fault) -> None:
    stub.faults = [fault, fault]
    described = run(tmp_path, stub)
    assert described is not None
    assert described.queries == dict.fromkeys(CODES, 5 * PASSAGES)
    assert described.tally["requests_sent_again"] == 2
    assert len(stub.asked) == PASSAGES + 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(content=lambda codes: "Sure! Here are your questions: 1. ..."),
        Fault(content=lambda codes: good(codes)[:-40], finish_reason="length"),
        Fault(content=lambda codes: "[1, 2]"),
        Fault(content=lambda codes: json.dumps(dict.fromkeys(codes, "no list"))),
        Fault(content=lambda codes: json.dumps({code: ["What is this about?"] * 5 for code in codes})),
        Fault(content=lambda codes: "{}"),
        Fault(content=lambda codes: ""),
    ],
    ids=["prose", "cut", "no object", "no lists", "English", "empty object", "nothing"],
)
def test_an_answer_of_no_use_is_asked_for_again(tmp_path: Path, stub: ChatStub, fault: Fault) -> None:
    stub.faults = [fault]
    described = run(tmp_path, stub)
    assert described is not None
    assert described.queries == dict.fromkeys(CODES, 5 * PASSAGES)
    assert len(stub.asked) == PASSAGES + 1


def test_a_fenced_answer_is_read(tmp_path: Path, stub: ChatStub) -> None:
    stub.always = lambda asked: Fault(content=lambda codes: f"```json\n{good(codes)}\n```")
    run(tmp_path, stub)
    assert len(stub.asked) == PASSAGES


def test_of_half_an_answer_only_the_other_half_is_asked_for(tmp_path: Path, stub: ChatStub) -> None:
    half = {code: [QUESTIONS[code].format(n) for n in (1, 2, 3, 4, 5)] for code in CODES[:3]}
    half["ja"] = [QUESTIONS["ja"].format(n) for n in (1, 2, 2)] + ["Who?"]
    stub.faults = [Fault(content=lambda codes: json.dumps(half))]
    source = ChatSource(stub.url, "m", concurrency=1)
    generate(GenerateRequest(write_corpus(tmp_path, 1), tmp_path / "out", source), Console(quiet=True))
    assert [asked.languages for asked in stub.asked] == [list(CODES), ["ja", "ko", "ru", "te"]]
    assert "3 in Japanese (ja), 5 in Korean" in stub.asked[1].body["messages"][1]["content"]
    assert QUESTIONS["ja"].format(2) in stub.asked[1].body["messages"][1]["content"]  # not to be repeated
    assert queries(tmp_path)[0]["generated_queries"] == json.loads(good(list(CODES)))


def test_a_passage_that_never_gets_its_queries_is_named_and_asked_for_alone(tmp_path: Path, stub: ChatStub) -> None:
    def refuses(asked: object) -> Fault | None:
        hard = asked.passage == "Passage number 3."  # type: ignore[attr-defined]
        return Fault(content=lambda codes: good([code for code in codes if code != "te"])) if hard else None

    stub.always = refuses
    with pytest.raises(InputError, match=r"te: 1 \(such as p3 \(te\)\), because the answer leaves the language out"):
        run(tmp_path, stub)
    assert not (tmp_path / "out" / "queries.jsonl").exists()
    stub.always = lambda asked: None
    stub.asked.clear()
    run(tmp_path, stub)
    assert [(asked.passage, asked.languages) for asked in stub.asked] == [("Passage number 3.", ["te"])]
    assert queries(tmp_path)[3]["generated_queries"] == json.loads(good(list(CODES)))


def test_a_model_that_only_talks_is_given_up_soon_and_taken_up_again(tmp_path: Path, stub: ChatStub) -> None:
    stub.always = lambda asked: Fault(content=lambda codes: "As a language model, I cannot")
    with pytest.raises(GeneratorUnavailable, match=r"no query of use for 1\d passages in a row.*As a language model"):
        run(tmp_path, stub, passages=100)
    assert len(stub.asked) < 100
    stub.always = lambda asked: None
    described = run(tmp_path, stub, passages=100)
    assert described is not None
    assert described.queries == dict.fromkeys(CODES, 500)


def test_a_server_that_stays_down_ends_the_run_and_the_same_command_goes_on(tmp_path: Path, stub: ChatStub) -> None:
    stub.always = lambda asked: Fault(status=503, body=b"down") if "number 5" in asked.passage else None
    with pytest.raises(GeneratorUnavailable, match=r"503 down, for 0\.2 s; run the same command again"):
        run(tmp_path, stub, retry_s=0.2)
    assert len(list((tmp_path / "out" / "blocks").glob("*.jsonl"))) == 2  # the third block waits
    stub.always = lambda asked: None
    stub.asked.clear()
    run(tmp_path, stub)
    assert {asked.passage for asked in stub.asked} == {"Passage number 4.", "Passage number 5."}


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (Fault(status=401, body=b'{"error": {"message": "bad key"}}'), "401 bad key.*XQG_CHAT_API_KEY"),
        (Fault(status=404, body=b'{"error": {"message": "no model m"}}'), "no model m.*check --base-url"),
        (Fault(status=400, body=b'{"error": "response_format?"}'), "response_format.*--structured"),
    ],
)
def test_what_no_retry_can_mend_ends_at_once(tmp_path: Path, stub: ChatStub, fault: Fault, complaint: str) -> None:
    stub.always = lambda asked: fault
    with pytest.raises(ConfigurationError, match=complaint):
        run(tmp_path, stub, concurrency=1)
    passages = [asked.passage for asked in stub.asked]
    assert len(passages) == len(set(passages)) <= 4  # none twice, and no third block


@pytest.mark.parametrize("url", ["localhost:11434/v1", "http://user:secret@host/v1", ""])
def test_an_address_that_cannot_be_used_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="XQG_CHAT_API_KEY") as caught:
        ChatSource(url, "m")
    assert "secret" not in str(caught.value)


def test_an_interrupted_run_does_not_wait_for_a_servers_pause(tmp_path: Path, stub: ChatStub) -> None:
    generator = ChatGenerator(ChatSource(stub.url, "m"))
    stub.always = lambda asked: Fault(status=503, headers={"retry-after": "3600"})
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            generator.generate([Wanted(Passage("p", "", "text"), "ar", 1)])
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not stub.asked:
        time.sleep(0.01)
    generator.close()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert isinstance(failures[0], GeneratorUnavailable)
