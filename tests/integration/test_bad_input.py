"""What a person gives wrongly: one clear line, a non-zero exit, nothing that looks finished."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from app.bundle import Bundle
from app.errors import OutOfSpace
from offline.__main__ import cli
from offline.load import LoadRequest, load
from offline.locks import worker_lock
from tests.conftest import ROOT, Built, SmallCorpus

Offline = Callable[..., subprocess.CompletedProcess[str]]
GOOD = '{"docid": "a", "text": "x"}\n'


def one_clear_line(failed: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert failed.returncode == code, failed.stderr
    lines = failed.stderr.strip().splitlines()
    assert len(lines) == 1, failed.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ("corpus", "queries", "words"),
    [
        (GOOD + "{broken\n", None, ("c.jsonl:2", "not JSON", "mend or drop")),
        (GOOD + '{"text": "x"}\n', None, ("c.jsonl:2", "no docid")),
        (GOOD + '{"docid": "b"}\n', None, ("c.jsonl:2", "no text")),
        (GOOD + GOOD, None, ("c.jsonl:2", "'a' was given before, in line 1")),
        (
            GOOD,
            '{"docid": "z", "generated_queries": {"ar": ["q"]}}\n',
            ("q.jsonl:1", "no passage 'z'", "--ignore-unmatched"),
        ),
        (GOOD, '{"docid": "a", "generated_queries": {"klingon": ["q"]}}\n', ("q.jsonl:1", "'klingon'", "known are ar")),
        (
            GOOD + '{"docid": "b", "text": "y"}\n',
            '{"docid": "a", "generated_queries": {"ar": ["q"]}}\n',
            ("1 of 2 passages have no generated queries", "'b'", "--allow-partial"),
        ),
    ],
)
def test_a_bad_line_is_named_before_anything_is_embedded(
    demo_bundle: Bundle, tmp_path: Path, run_offline: Offline, corpus: str, queries: str | None, words: tuple[str, ...]
) -> None:
    (tmp_path / "c.jsonl").write_text(corpus)
    arguments = ["--corpus", tmp_path / "c.jsonl", "--bundle", demo_bundle.folder, "--output", tmp_path / "vectors"]
    if queries:
        (tmp_path / "q.jsonl").write_text(queries)
        arguments += ["--queries", tmp_path / "q.jsonl"]
    one_clear_line(run_offline("embed", *arguments), 3, *words)
    assert not (tmp_path / "vectors" / "run.json").exists()
    # mended, the same command works in the same folder
    (tmp_path / "c.jsonl").write_text(GOOD)
    if queries:
        (tmp_path / "q.jsonl").write_text('{"docid": "a", "generated_queries": {" ar": ["q"]}}\n')
    done = run_offline("embed", *arguments)
    assert done.returncode == 0, done.stderr
    if queries:
        assert "1 language tags with stray spaces" in done.stdout


def test_a_bundle_with_a_changed_byte_is_refused_by_job_and_service(
    demo_bundle: Bundle, tmp_path: Path, run_offline: Offline
) -> None:
    damaged = tmp_path / "bundle"
    shutil.copytree(demo_bundle.folder, damaged)
    with (damaged / "tokenizer.json").open("r+b") as file:
        file.seek(5000)
        file.write(b"\x00")
    (tmp_path / "c.jsonl").write_text(GOOD)
    failed = run_offline("embed", "--corpus", tmp_path / "c.jsonl", "--bundle", damaged, "--output", tmp_path / "v")
    one_clear_line(failed, 2, "tokenizer.json is damaged", "export it again")
    service = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=ROOT,
        env={"XQG_BUNDLE": str(damaged), "XQG_INDEX": "edge:nowhere", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    one_clear_line(service, 2, "tokenizer.json is damaged")


def test_an_output_folder_of_another_run_is_left_alone(
    demo_bundle: Bundle, built: Built, small_corpus: SmallCorpus, tmp_path: Path, run_offline: Offline
) -> None:
    (tmp_path / "c.jsonl").write_text(GOOD)
    before = (built.vectors / "run.json").read_bytes()
    common = ["--bundle", demo_bundle.folder, "--output", built.vectors, "--shard-size", 16]
    one_clear_line(
        run_offline("embed", "--corpus", tmp_path / "c.jsonl", *common), 4, "holds a run with another corpus"
    )
    one_clear_line(run_offline("embed", "--corpus", small_corpus.corpus, *common), 4, "holds a run with other queries")
    assert (built.vectors / "run.json").read_bytes() == before
    (tmp_path / "mine.txt").write_text("precious")
    arguments = ["--corpus", tmp_path / "c.jsonl", "--bundle", demo_bundle.folder, "--output", tmp_path]
    one_clear_line(run_offline("embed", *arguments), 4, "holds other files")


def test_a_run_that_died_before_its_manifest_was_written_is_begun_again(
    demo_bundle: Bundle, tmp_path: Path, run_offline: Offline
) -> None:
    (tmp_path / "c.jsonl").write_text(GOOD)
    (tmp_path / "v" / "shards").mkdir(parents=True)
    for name in ("staging.sqlite", "run.json.partial"):
        (tmp_path / "v" / name).write_text("cut short")
    arguments = ["--corpus", tmp_path / "c.jsonl", "--bundle", demo_bundle.folder, "--output", tmp_path / "v"]
    done = run_offline("embed", *arguments)
    assert done.returncode == 0, done.stderr


def test_a_second_writer_is_refused(demo_bundle: Bundle, tmp_path: Path, run_offline: Offline) -> None:
    (tmp_path / "c.jsonl").write_text(GOOD)
    with worker_lock(tmp_path / "v"):
        arguments = ["--corpus", tmp_path / "c.jsonl", "--bundle", demo_bundle.folder, "--output", tmp_path / "v"]
        one_clear_line(run_offline("embed", *arguments), 4, "another process is writing")


def test_a_disk_that_is_full_is_said_plainly_and_leaves_nothing_that_looks_finished(
    demo_bundle: Bundle, small_corpus: SmallCorpus, tmp_path: Path, run_offline: Offline
) -> None:
    """A limit on file size stands in for the disk: the same system calls fail."""

    def tight(limit: int) -> Callable[[], None]:
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    arguments = ["--corpus", small_corpus.corpus, "--queries", small_corpus.queries, "--bundle", demo_bundle.folder]
    for limit in (8_192, 160_000):  # while staging; while writing a shard
        failed = run_offline("embed", *arguments, "--output", tmp_path / "v", preexec_fn=tight(limit))
        one_clear_line(failed, 6, "no space left")
        assert list(tmp_path.glob("v/shards/*.safetensors")) == []
    done = run_offline("embed", *arguments, "--output", tmp_path / "v")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["load", "--vectors", "nowhere", "--index", "edge:x"], 2, ("holds no vectors", "offline embed")),
        (["load", "--vectors", "nowhere", "--index", "qdrant:6333"], 2, ("write edge:<folder> or http://host:port",)),
        (["export", "--output", "x"], 2, ("give --model",)),
        (["embed", "--corpus", "nowhere.jsonl", "--bundle", "nowhere", "--output", "x"], 2, ("nowhere is no bundle",)),
    ],
)
def test_what_is_not_there_is_said(
    run_offline: Offline, arguments: list[str], code: int, words: tuple[str, ...]
) -> None:
    one_clear_line(run_offline(*arguments), code, *words)


def test_a_damaged_staging_file_is_no_full_disk_and_can_be_made_again(
    demo_bundle: Bundle, small_corpus: SmallCorpus, built: Built, tmp_path: Path, run_offline: Offline
) -> None:
    copy = tmp_path / "v"
    shutil.copytree(built.vectors, copy)
    staging = copy / "staging.sqlite"
    whole = staging.read_bytes()
    staging.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    failed = run_offline("load", "--vectors", copy, "--index", f"edge:{tmp_path / 'i'}")
    one_clear_line(failed, 1, "is damaged", "remove it (staging.sqlite")
    staging.unlink()
    files = ["--corpus", small_corpus.corpus, "--queries", small_corpus.queries, "--bundle", demo_bundle.folder]
    again = run_offline("embed", *files, "--output", copy, "--shard-size", 16)
    assert "are embedded already" in again.stdout, again.stderr
    assert run_offline("load", "--vectors", copy, "--index", f"edge:{tmp_path / 'i'}").returncode == 0


def test_a_server_that_is_not_there_is_said(built: Built, run_offline: Offline) -> None:
    server = ["--index", "http://127.0.0.1:9", "--timeout-s", 2, "--retry-s", 1]
    failed = run_offline("load", "--vectors", built.vectors, *server)
    one_clear_line(failed, 1, "Qdrant does not answer", "tried for --retry-s 1")
    assert "trying again, for up to 1 s" in failed.stdout


def test_a_filter_field_that_is_nowhere_is_said(built: Built, tmp_path: Path, run_offline: Offline) -> None:
    failed = run_offline("load", "--vectors", built.vectors, "--index", f"edge:{tmp_path}", "--filter-field", "colour")
    one_clear_line(failed, 2, "--filter-field colour", "no passage has this field")


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden"])
def test_a_collection_name_that_could_leave_its_folder_is_refused(
    built: Built, tmp_path: Path, run_offline: Offline, name: str
) -> None:
    arguments = ["load", "--vectors", built.vectors, "--index", f"edge:{tmp_path / 'i'}", "--collection", name]
    one_clear_line(run_offline(*arguments), 2, "is no collection name")
    assert list(tmp_path.iterdir()) == []


def test_a_filter_field_that_is_no_plain_name_is_refused(built: Built, tmp_path: Path, run_offline: Offline) -> None:
    failed = run_offline("load", "--vectors", built.vectors, "--index", f"edge:{tmp_path}", "--filter-field", "a b")
    one_clear_line(failed, 2, "--filter-field 'a b'")


@pytest.mark.parametrize("content", ["", '{"docid": "a", "generated_queries": {"ar": [""]}}\n'])
def test_queries_that_hold_nothing_are_refused(
    demo_bundle: Bundle, tmp_path: Path, run_offline: Offline, content: str
) -> None:
    (tmp_path / "c.jsonl").write_text(GOOD)
    (tmp_path / "q.jsonl").write_text(content)
    arguments = ["--corpus", tmp_path / "c.jsonl", "--queries", tmp_path / "q.jsonl", "--bundle", demo_bundle.folder]
    one_clear_line(run_offline("embed", *arguments, "--output", tmp_path / "v"), 3, "holds no query for any passage")


def test_a_file_in_the_place_of_a_folder_is_said(demo_bundle: Bundle, tmp_path: Path, run_offline: Offline) -> None:
    (tmp_path / "c.jsonl").write_text(GOOD)
    (tmp_path / "file").write_text("")
    arguments = ["embed", "--corpus", tmp_path / "c.jsonl", "--bundle", demo_bundle.folder]
    for output in (tmp_path / "file", tmp_path / "file" / "inside"):
        one_clear_line(run_offline(*arguments, "--output", output), 2, "cannot use", str(tmp_path / "file"))


def test_a_run_folder_may_have_any_name(built: Built, tmp_path: Path, run_offline: Offline) -> None:
    odd = tmp_path / "v#1 100%?"
    shutil.copytree(built.vectors, odd)
    done = run_offline("load", "--vectors", odd, "--index", f"edge:{tmp_path / 'i'}")
    assert done.returncode == 0, done.stderr


async def test_an_edge_index_that_will_not_fit_is_refused_before_it_is_begun(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine would be killed by SIGBUS on a full disk, so the room is counted first."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    with pytest.raises(OutOfSpace, match="has 10 MB free and the index may take"):
        await load(LoadRequest(built.vectors, f"edge:{tmp_path / 'i'}", "passages"), Console(quiet=True))
    assert list((tmp_path / "i").glob("passages*")) == []


def test_ctrl_c_says_how_to_go_on(demo_bundle: Bundle, small_corpus: SmallCorpus, tmp_path: Path) -> None:
    arguments = ["--corpus", small_corpus.corpus, "--queries", small_corpus.queries, "--bundle", demo_bundle.folder]
    process = subprocess.Popen(
        [sys.executable, "-m", "offline", "embed", *map(str, arguments), "--output", str(tmp_path / "v")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # whoever runs the tests may ignore the signal, and a child inherits that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "v" / "run.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.strip().splitlines()[-1] == "error: interrupted; run the same command again to go on"


def test_every_command_explains_itself() -> None:
    names = list(typer.main.get_group(cli).commands)
    assert {"export", "generate", "filter", "ledger", "embed", "load", "build", "collections", "rollback"} <= set(names)
    for name in names:
        told = CliRunner().invoke(cli, [name, "--help"])
        assert told.exit_code == 0
        assert "--help" in told.stdout


def test_build_is_embed_and_load(demo_bundle: Bundle, tmp_path: Path, run_offline: Offline) -> None:
    (tmp_path / "c.tsv").write_text("id\ttext\ttitle\n1\tA tower in Paris.\tEiffel Tower\n2\tA lake.\tBaikal\n")
    (tmp_path / "q.jsonl").write_text(
        "".join(json.dumps({"docid": n, "generated_queries": {"fi": ["Missä?"]}}) + "\n" for n in "12")
    )
    done = run_offline(
        *["build", "--corpus", tmp_path / "c.tsv", "--queries", tmp_path / "q.jsonl", "--bundle", demo_bundle.folder],
        *["--vectors", tmp_path / "v", "--index", f"edge:{tmp_path / 'i'}", "--alpha", 0.05],
    )
    assert done.returncode == 0, done.stderr
    assert "unequal numbers of queries" in done.stdout
    assert "2 passages, alpha 0.05, verified and live" in done.stdout
