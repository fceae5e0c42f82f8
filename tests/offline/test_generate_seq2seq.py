"""generate with a real seq2seq architecture, exported by optimum; and the ledger that every source keeps."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from app.errors import ConfigurationError, InputError, RunConflict
from app.languages import CODES
from app.passages import Passage
from offline.generate.folder import Generation
from offline.generate.generator import Wanted
from offline.generate.job import GenerateRequest, generate
from offline.generate.seq2seq import Seq2SeqGenerator, prompt_of
from offline.generate.seq2seq_export import export_seq2seq
from offline.generate.sources import PublishedSource, Seq2SeqSource
from offline.locks import worker_lock
from offline.query_set import QuerySet, read_sidecar
from offline.share import Share
from tests import tiny

QUIET = Console(quiet=True)
PASSAGES = [Passage(f"p{n}", f"Title {n}", "word " * (3 * n + 1)) for n in range(7)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny mT5, exported."""
    folder = tmp_path_factory.mktemp("mt5")
    export_seq2seq(str(tiny.mt5(folder / "checkpoint")), "main", folder / "onnx", QUIET)
    return folder / "onnx"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "c.jsonl"
    lines = [{"docid": each.docid, "title": each.title, "text": each.text} for each in PASSAGES]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def request(corpus: Path, model: Path, output: str = "out", **options: object) -> GenerateRequest:
    source = options.pop("source", None) or Seq2SeqSource(str(model), max_new_tokens=8)
    fields = {"languages": ("ar", "te"), "queries_per_language": 3, "block_size": 2} | options
    return GenerateRequest(corpus, corpus.parent / output, source, **fields)  # type: ignore[arg-type]


def lines(folder: Path) -> str:
    return (folder / "queries.jsonl").read_text()


def test_the_prompt_names_the_language_and_holds_title_and_text() -> None:
    prompt = prompt_of(Wanted(Passage("nile", "Nile", "A river in Africa."), "te", 1))
    assert prompt == "Generate a Telugu question for this passage: Nile A river in Africa."


def test_a_query_does_not_depend_on_what_is_drawn_beside_it(model: Path) -> None:
    wanted = [Wanted(passage, code, 3) for passage in PASSAGES for code in ("ar", "te")]
    together = Seq2SeqGenerator(model, Seq2SeqSource(max_new_tokens=12)).generate(wanted)
    alone = Seq2SeqGenerator(model, Seq2SeqSource(max_new_tokens=12, batch_sequences=1))
    assert [alone.generate([each]).answers[0] for each in wanted] == together.answers
    last = alone.generate([Wanted(PASSAGES[2], "ar", 1, drawn=2)])
    assert last.answers[0].queries == together.answers[4].queries[2:]  # goes on where the first two draws ended
    assert together.tally["generated_tokens"] > 0


def test_the_same_seed_makes_the_same_file_and_another_seed_another(corpus: Path, model: Path) -> None:
    generate(request(corpus, model), QUIET)
    generate(request(corpus, model, "cut otherwise", block_size=3), QUIET)
    generate(request(corpus, model, "seed", source=Seq2SeqSource(str(model), max_new_tokens=8, seed=1)), QUIET)
    folder = corpus.parent
    assert lines(folder / "out") == lines(folder / "cut otherwise")
    assert lines(folder / "out") != lines(folder / "seed")


def test_the_sidecar_tells_who_made_the_queries_and_how(corpus: Path, model: Path) -> None:
    made = generate(request(corpus, model), QUIET)
    described = read_sidecar(corpus.parent / "out" / "queries.jsonl")
    assert described == made
    assert made is not None
    assert described is not None
    assert re.fullmatch("local-[0-9a-f]{12}", made.generator.revision)  # of the weights
    assert described.generator.model_dump() == {
        "source": "seq2seq",
        "model": "checkpoint",
        "revision": made.generator.revision,
        "settings": {"seed": 0, "top_k": 10, "temperature": 1.0, "max_new_tokens": 8, "max_input_tokens": 512},
    }
    assert (described.queries, described.lacking) == ({"ar": 21, "te": 21}, {})


def test_what_is_done_is_not_done_again_and_more_of_the_same_is_only_added(corpus: Path, model: Path) -> None:
    folder = corpus.parent
    generate(request(corpus, model), QUIET)
    blocks = {path: path.stat().st_mtime_ns for path in (folder / "out" / "blocks").iterdir()}
    generate(request(corpus, model), QUIET)
    assert {path: path.stat().st_mtime_ns for path in (folder / "out" / "blocks").iterdir()} == blocks

    generate(request(corpus, model, languages=CODES, queries_per_language=4), QUIET)
    generate(request(corpus, model, "at once", languages=CODES, queries_per_language=4), QUIET)
    assert lines(folder / "out") == lines(folder / "at once")


def test_workers_do_their_shares_and_the_last_puts_them_together(corpus: Path, model: Path) -> None:
    folder = corpus.parent
    assert generate(request(corpus, model, share=Share(2, 2)), QUIET) is None
    assert not (folder / "out" / "queries.jsonl").exists()
    assert isinstance(generate(request(corpus, model, share=Share(1, 2)), QUIET), QuerySet)
    generate(request(corpus, model, "one"), QUIET)
    assert lines(folder / "out") == lines(folder / "one")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"source": "other seed"}, "another generator or other settings"),
        ({"block_size": 3}, "another --block-size"),
        ({"languages": ("ar",)}, "more languages"),
        ({"queries_per_language": 2}, "more queries per language"),
    ],
)
def test_a_folder_holds_one_generation(corpus: Path, model: Path, change: dict[str, object], complaint: str) -> None:
    generate(request(corpus, model), QUIET)
    if "source" in change:
        change = {"source": Seq2SeqSource(str(model), max_new_tokens=8, seed=9)}
    with pytest.raises(RunConflict, match=complaint):
        generate(request(corpus, model, **change), QUIET)


def test_another_corpus_and_a_folder_of_something_else_are_refused(corpus: Path, model: Path) -> None:
    generate(request(corpus, model), QUIET)
    corpus.write_text(corpus.read_text() + '{"docid": "new", "text": "x"}\n')
    with pytest.raises(RunConflict, match="another corpus"):
        generate(request(corpus, model), QUIET)
    (corpus.parent / "mine").mkdir()
    (corpus.parent / "mine" / "thesis.tex").write_text("")
    with pytest.raises(RunConflict, match=r"holds other files \(thesis.tex\)"):
        generate(request(corpus, model, "mine"), QUIET)


def test_what_is_no_seq2seq_model_is_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a bert model and generates no text"):
        generate(request(corpus, tiny.mbert(tmp_path / "bert")), QUIET)
    with pytest.raises(ConfigurationError, match="cannot load"):
        generate(request(corpus, tmp_path / "nowhere"), QUIET)
    assert not (tmp_path / "out" / "generation.json").exists()


def published(tmp_path: Path, *texts: str) -> PublishedSource:
    files = []
    for number, text in enumerate(texts):
        path = tmp_path / f"published-{number}.jsonl"
        path.write_text(text)
        files.append(path)
    return PublishedSource(tuple(files))


def test_published_files_are_joined_by_docid_a_file_a_language(corpus: Path, model: Path, tmp_path: Path) -> None:
    texts = [
        "".join(
            json.dumps({"docid": each.docid, "generated_queries": {f" {code}": [f"{code} {n}" for n in range(3)]}})
            + "\n"
            for each in reversed(PASSAGES)
        )
        for code in ("ar", "te")
    ]
    described = generate(request(corpus, model, source=published(tmp_path, *texts)), QUIET)
    assert described is not None
    assert described.queries == {"ar": 21, "te": 21}
    first = json.loads(lines(tmp_path / "out").splitlines()[0])
    assert first == {
        "docid": "p0",
        "generated_queries": {"ar": ["ar 0", "ar 1", "ar 2"], "te": ["te 0", "te 1", "te 2"]},
    }


def test_published_files_that_lack_queries_are_refused_and_say_where(corpus: Path, model: Path, tmp_path: Path) -> None:
    full = {"ar": ["1", "2", "3"], "te": ["1", "2", "3"]}
    text = "".join(
        json.dumps({"docid": each.docid, "generated_queries": {"ar": ["1"]} if each.docid == "p4" else full}) + "\n"
        for each in PASSAGES
        if each.docid != "p6"
    )
    source = published(tmp_path, text)
    with pytest.raises(
        InputError, match=r"ar: 2, te: 2 \(such as p4 \(ar\), p4 \(te\), p6 \(ar\)\), because the files"
    ) as failed:
        generate(request(corpus, model, source=source), QUIET)
    assert "do not have the passage (2 times)" in str(failed.value)
    described = generate(request(corpus, model, source=source, allow_partial=True), QUIET)
    assert described is not None
    assert (described.queries, described.lacking) == ({"ar": 16, "te": 15}, {"ar": 2, "te": 2})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"docid": "p0", "generated_queries": {"ar": ["1"', "published-0.jsonl:1: the line is not JSON"),
        (
            "".join(f'{{"docid": "p0", "generated_queries": {{"ar": ["{n}"]}}}}\n' for n in (1, 2)),
            "published-0.jsonl:2: other ar queries for 'p0' were given before",
        ),
    ],
)
def test_published_files_that_would_corrupt_are_refused(
    corpus: Path, model: Path, tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(InputError, match=re.escape(complaint)):
        generate(request(corpus, model, source=published(tmp_path, text)), QUIET)


def test_the_ledger_is_shown_and_names_what_is_missing(
    corpus: Path, model: Path, tmp_path: Path, run_offline: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    generate(request(corpus, model), QUIET)
    generation = Generation(tmp_path / "out")
    generation.block_path(2).unlink()
    shown = run_offline("ledger", tmp_path / "out")
    assert shown.returncode == 4, shown.stderr
    assert "3 of 4 blocks are done; the first that is missing holds the passages 5 to 6" in shown.stdout
    generate(request(corpus, model), QUIET)
    whole = run_offline("ledger", tmp_path / "out")
    assert (whole.returncode, "100.0%" in whole.stdout) == (0, True)


def test_another_model_of_the_same_name_is_another_generator(corpus: Path, tmp_path: Path) -> None:
    checkpoint = tiny.mt5(tmp_path / "mt5")
    generate(request(corpus, checkpoint), QUIET)
    tiny.mt5(checkpoint, seed=1)
    with pytest.raises(RunConflict, match="another generator"):
        generate(request(corpus, checkpoint), QUIET)
    with pytest.raises(ConfigurationError, match="cannot load"):
        generate(request(corpus, tmp_path / "nowhere"), QUIET)


def test_other_files_after_a_start_that_failed_are_the_ones_used(corpus: Path, model: Path, tmp_path: Path) -> None:
    def of(text: str) -> PublishedSource:
        lines = [{"docid": each.docid, "generated_queries": {"ar": [text]}} for each in PASSAGES]
        return published(tmp_path, "".join(json.dumps(line) + "\n" for line in lines))

    wanted = {"languages": ("ar",), "queries_per_language": 2, "output": "out"}
    with pytest.raises(InputError, match="the files have 1 queries"):
        generate(request(corpus, model, source=of("first"), **wanted), QUIET)
    with pytest.raises(RunConflict, match="another generator"):
        generate(request(corpus, model, source=of("second"), **wanted), QUIET)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[:-1],
        lambda lines: [],
        lambda lines: [*lines[:-1], lines[-1][:20]],
        lambda lines: [lines[0], *reversed(lines[1:])],
        lambda lines: ["[1]", *lines[1:]],
    ],
    ids=["a line less", "empty", "cut", "in another order", "no head"],
)
def test_a_damaged_block_is_known_and_named(
    corpus: Path, model: Path, damage: Callable[[list[str]], list[str]]
) -> None:
    generate(request(corpus, model), QUIET)
    block = corpus.parent / "out" / "blocks" / "0000001.jsonl"
    block.write_text("".join(f"{line}\n" for line in damage(block.read_text().splitlines())))
    with pytest.raises(RunConflict, match=r"0000001\.jsonl is damaged; remove it and run"):
        generate(request(corpus, model), QUIET)
    block.unlink()
    assert generate(request(corpus, model), QUIET) is not None


def test_a_block_in_anothers_place_is_known(corpus: Path, model: Path) -> None:
    generate(request(corpus, model), QUIET)
    blocks = corpus.parent / "out" / "blocks"
    (blocks / "0000001.jsonl").write_bytes((blocks / "0000000.jsonl").read_bytes())
    with pytest.raises(RunConflict, match="is damaged"):
        generate(request(corpus, model), QUIET)


def test_line_separators_in_queries_and_docids_are_no_line_ends(corpus: Path, model: Path, tmp_path: Path) -> None:
    odd = "a\u2028b\u2029c\x85d"
    corpus.write_text(json.dumps({"docid": odd, "text": "x"}) + "\n")
    source = published(tmp_path, json.dumps({"docid": odd, "generated_queries": {"ar": [odd]}}) + "\n")
    wanted = request(corpus, model, source=source, languages=("ar",), queries_per_language=1)
    for _ in range(2):
        assert generate(wanted, QUIET) is not None
    assert json.loads(lines(tmp_path / "out")) == {"docid": odd, "generated_queries": {"ar": [odd]}}


def test_workers_that_add_a_language_do_their_own_parts(corpus: Path, model: Path) -> None:
    folder = corpus.parent
    generate(request(corpus, model, languages=("ar",)), QUIET)
    assert generate(request(corpus, model, share=Share(1, 2)), QUIET) is None
    assert generate(request(corpus, model, share=Share(2, 2)), QUIET) is not None
    generate(request(corpus, model, "at once"), QUIET)
    assert lines(folder / "out") == lines(folder / "at once")


def test_more_queries_than_a_batch_holds_are_drawn_in_parts(model: Path) -> None:
    wanted = [Wanted(PASSAGES[0], "ar", 5)]
    in_parts = Seq2SeqGenerator(model, Seq2SeqSource(max_new_tokens=8, batch_sequences=2)).generate(wanted)
    at_once = Seq2SeqGenerator(model, Seq2SeqSource(max_new_tokens=8)).generate(wanted)
    assert in_parts.answers == at_once.answers


def test_closing_ends_a_long_draw(model: Path) -> None:
    generator = Seq2SeqGenerator(model, Seq2SeqSource(max_new_tokens=100_000))
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(generator.generate, [Wanted(PASSAGES[0], "ar", 5)])
        while not drawing.running():
            time.sleep(0.01)
        generator.close()
        with pytest.raises(CancelledError):
            drawing.result(timeout=60)


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    with pytest.raises(ConfigurationError, match="temperature"):
        Seq2SeqSource(temperature=temperature)


def test_two_generations_in_one_folder_are_refused(corpus: Path, model: Path, tmp_path: Path) -> None:
    with worker_lock(tmp_path / "out"), pytest.raises(RunConflict, match="another process is writing"):
        generate(request(corpus, model), QUIET)


def test_published_files_say_what_they_hold_besides(
    corpus: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docids = [*(each.docid for each in PASSAGES), "stranger"]
    text = "".join(json.dumps({"docid": d, "generated_queries": {"ar": ["1"], "fi": ["1"]}}) + "\n" for d in docids)
    wanted = request(corpus, model, source=published(tmp_path, text), languages=("ar",), queries_per_language=1)
    generate(wanted, Console())
    shown = capsys.readouterr().out
    assert "the files hold 8 ar, 8 fi queries" in shown
    assert "1 passages that are not in the corpus, left out" in shown
