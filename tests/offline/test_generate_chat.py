"""generate from a chat server: real HTTP, with the faults that such servers have."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from app.errors import ConfigurationError, GeneratorUnavailable, InputError
from app.languages import CODES, LANGUAGES
from app.passages import Passage
from offline.generate.chat import ChatGenerator
from offline.generate.generator import Wanted
from offline.generate.job import GenerateRequest, generate
from offline.generate.sources import ChatSource
from offline.query_set import QuerySet
from tests.chat_stub import QUESTIONS, ChatStub, Fault, chatting, good

KEY = "sk-never-to-be-seen"
PASSAGES = 6
NAMES = {language.code: language.name for language in LANGUAGES}


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


@pytest.mark.parametrize(
    "url", ["localhost:11434/v1", "http://user:secret@host/v1", "", "http://host/v1?key=secret", "http://[::1"]
)
def test_an_address_that_cannot_be_used_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="XQG_CHAT_API_KEY") as caught:
        ChatSource(url, "m")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("waits_for", ["a pause", "an answer"])
def test_closing_ends_what_waits_for_the_server(stub: ChatStub, waits_for: str) -> None:
    generator = ChatGenerator(ChatSource(stub.url, "m", retry_s=3600, timeout_s=3600))
    pause = Fault(status=503, headers={"retry-after": "3600"})
    stub.always = lambda asked: pause if waits_for == "a pause" else Fault(hang=True)
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
    assert isinstance(failures[0], CancelledError)


@pytest.mark.parametrize(
    "answer",
    [
        {"usage": {"prompt_tokens": "many", "completion_tokens": None}},
        {"usage": {"prompt_tokens": float("inf"), "completion_tokens": float("nan")}},
        {"usage": [1, 2]},
        {"usage": None},
    ],
    ids=["words", "infinite", "a list", "none"],
)
def test_no_answer_is_lost_for_its_accounting(tmp_path: Path, stub: ChatStub, answer: dict[str, object]) -> None:
    choice = {"message": {"content": good(list(CODES))}}
    stub.always = lambda asked: Fault(body=json.dumps({"choices": [choice]} | answer).encode())
    described = run(tmp_path, stub)
    assert described is not None
    assert (described.tally["requests"], described.tally.get("prompt_tokens", 0)) == (PASSAGES, 0)


@pytest.mark.parametrize("name", [str.upper, lambda code: f" {code} ", NAMES.get], ids=["AR", " ar ", "Arabic"])
def test_languages_are_known_by_other_spellings(tmp_path: Path, stub: ChatStub, name: Callable[[str], str]) -> None:
    def spelled(codes: list[str]) -> str:
        return json.dumps({name(code): texts for code, texts in json.loads(good(codes)).items()})

    stub.always = lambda asked: Fault(content=spelled)
    run(tmp_path, stub)
    assert len(stub.asked) == PASSAGES


def test_characters_that_no_file_keeps_are_left_out(tmp_path: Path, stub: ChatStub) -> None:
    odd = '{"ar": ["ما\\u2028هذا؟", "ما \\ud800هو؟", "من\\u0000 هو؟", "أين هو؟", "متى هو؟"]}'.replace("\\\\", "\\")
    stub.always = lambda asked: Fault(content=lambda codes: odd)
    source = ChatSource(stub.url, "m")
    request = GenerateRequest(write_corpus(tmp_path, 1), tmp_path / "out", source, languages=["ar"])
    for _ in range(2):  # what was written can be read
        assert generate(request, Console(quiet=True)) is not None
    found = queries(tmp_path)[0]["generated_queries"]
    assert found == {"ar": ["ما هذا؟", "ما هو؟", "من هو؟", "أين هو؟", "متى هو؟"]}


def test_a_passage_that_the_server_refuses_does_not_stop_the_others(tmp_path: Path, stub: ChatStub) -> None:
    long = Fault(status=400, body=b'{"error": {"message": "maximum context length"}}')
    stub.always = lambda asked: long if "number 3" in asked.passage else None
    with pytest.raises(InputError, match=r"such as p3 \(ar\).*400 maximum context length"):
        run(tmp_path, stub)
    assert len(list((tmp_path / "out" / "blocks").iterdir())) == PASSAGES // 2


def test_a_refusal_that_stays_can_be_accepted(tmp_path: Path, stub: ChatStub) -> None:
    stub.always = lambda asked: Fault(content=lambda codes: good(["ar"])) if "number 3" in asked.passage else None
    source = ChatSource(stub.url, "m")
    request = GenerateRequest(write_corpus(tmp_path, 20), tmp_path / "out", source)
    for _ in range(2):
        with pytest.raises(InputError, match="--allow-partial"):
            generate(request, Console(quiet=True))
    described = generate(replace(request, allow_partial=True), Console(quiet=True))
    assert described is not None
    assert described.lacking == dict.fromkeys(CODES[1:], 1)


@pytest.mark.parametrize("key", ["sk-secret\n", "sk secret", "ключ"])
def test_a_key_that_no_header_takes_is_refused_unseen(key: str) -> None:
    with pytest.raises(ConfigurationError, match="XQG_CHAT_API_KEY") as caught:
        ChatSource("http://host/v1", "m", key)
    assert key.strip() not in str(caught.value)


def test_a_key_that_the_server_repeats_is_not_shown(tmp_path: Path, stub: ChatStub) -> None:
    stub.always = lambda asked: Fault(status=401, body=f"bad key {KEY}".encode())
    with pytest.raises(ConfigurationError, match=r"bad key \*\*\*"):
        run(tmp_path, stub)


def test_an_answer_that_drips_or_never_ends_is_given_up(tmp_path: Path, stub: ChatStub) -> None:
    stub.faults = [Fault(drip=True), Fault(body=b" " * 5 * 2**20)]
    described = run(tmp_path, stub, timeout_s=0.5, concurrency=1)
    assert described is not None
    assert described.tally["requests_sent_again"] == 2


def test_what_a_model_says_is_printed_as_it_is(
    tmp_path: Path, stub: ChatStub, run_offline: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    stub.always = lambda asked: Fault(content=lambda codes: "[/INST] no") if "number 3" in asked.passage else None
    output = tmp_path / "a [/b] [red]c"
    arguments = ["--corpus", write_corpus(tmp_path), "--output", output, "--source", "chat", "--model", "m"]
    failed = run_offline("generate", *arguments, "--base-url", stub.url)
    assert failed.returncode == 3
    assert "[/INST] no" in failed.stdout
    assert failed.stderr.startswith(f"error: {output}: passages that lack queries")
    assert failed.stderr.count("\n") == 1


def test_concurrency_is_what_is_asked_for(tmp_path: Path, stub: ChatStub) -> None:
    together = threading.Barrier(5, timeout=20)
    waited: list[int] = []

    def wait_for_others(asked: object) -> None:
        waited.append(together.wait())

    stub.always = wait_for_others
    run(tmp_path, stub, passages=10, concurrency=5)  # would time out with fewer at once
    assert len(waited) == 10
