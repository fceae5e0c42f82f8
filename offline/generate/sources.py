"""The three sources of queries, as options that say how to prepare and open each."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx
from rich.console import Console

from app.engines import Device
from app.errors import ConfigurationError
from offline.generate.generator import GeneratorIdentity, QueryGenerator

DEFAULT_MODEL = "ielabgroup/xor-tydi-docTquery-mt5-base"


class Source(Protocol):
    """Where queries come from.  Pickles, so that every worker can open its own generator."""

    def blocks_at_once(self, block_size: int) -> int:
        """How many blocks one worker has under way, so that a source that waits is never idle."""

    def prepare(self, folder: Path, console: Console) -> GeneratorIdentity:
        """Make, once a generation, what every worker needs; done again it changes nothing.

        ``folder`` is the generation's, with the corpus staged in it.  What is made lies in its
        ``source/`` under a name that tells what it was made of.

        Raises:
            ConfigurationError, InputError: the source cannot be used as asked.
        """

    def open(self, folder: Path) -> QueryGenerator:
        """A generator of the worker's own."""


@dataclass(frozen=True, slots=True)
class Seq2SeqSource:
    """A docTquery model: a hub id, a Hugging Face folder, or a folder exported before."""

    model: str = DEFAULT_MODEL
    revision: str = "main"
    seed: int = 0
    top_k: int = 10
    temperature: float = 1.0
    max_new_tokens: int = 64
    max_input_tokens: int = 512
    batch_sequences: int = 32
    """Sequences decoded at once; decides speed and memory, not the outcome."""
    device: Device = "cpu"
    threads: int = 0
    """Of one model; 0 takes the cores of the CPU quota."""

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf or min(self.top_k, self.max_new_tokens, self.max_input_tokens) < 1:
            raise ConfigurationError("temperature, top-k and token limits must be positive")
        if self.batch_sequences < 1:
            raise ConfigurationError("a batch holds at least 1 sequence")

    def blocks_at_once(self, block_size: int) -> int:
        return 1

    def prepare(self, folder: Path, console: Console) -> GeneratorIdentity:
        from offline.generate import seq2seq, seq2seq_export  # torch takes seconds to import

        if not seq2seq_export.is_exported(self._model_folder(folder)):
            seq2seq_export.export_seq2seq(self.model, self.revision, self._model_folder(folder), console)
        return seq2seq.identity_of(self._model_folder(folder), self)

    def open(self, folder: Path) -> QueryGenerator:
        from offline.generate.seq2seq import Seq2SeqGenerator

        return Seq2SeqGenerator(self._model_folder(folder), self)

    def _model_folder(self, folder: Path) -> Path:
        from offline.generate.seq2seq_export import is_exported

        given = Path(self.model)
        if is_exported(given):
            return given
        # a checkpoint's folder may be trained on: its files are part of what is asked for
        files = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in given.glob("*"))
        return folder / "source" / f"model-{_short_digest([self.model, self.revision, files])}"


@dataclass(frozen=True, slots=True)
class ChatSource:
    """A server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, hosted ones."""

    base_url: str
    """With its ``/v1``."""
    model: str
    api_key: str | None = field(default=None, repr=False)
    seed: int = 0
    temperature: float = 0.8
    max_new_tokens: int = 2048
    structured: str = "json_schema"
    """``json_schema``, ``json_object`` or ``none``: what the server knows of ``response_format``."""
    concurrency: int = 8
    timeout_s: float = 120
    """For one request."""
    retry_s: float = 300
    """How long a server that is down or busy is asked again."""

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.base_url)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
            raise ConfigurationError(
                "--base-url: write http(s)://host/v1, with the key in XQG_CHAT_API_KEY and not in the address"
            )
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable() and " " not in self.api_key):
            raise ConfigurationError("XQG_CHAT_API_KEY holds spaces, line breaks or letters that no header takes")
        if not 0 <= self.temperature < math.inf or min(self.concurrency, self.max_new_tokens) < 1:
            raise ConfigurationError("temperature must be at least 0, concurrency and new tokens at least 1")
        if not self.model:
            raise ConfigurationError("--model: name the chat server's model")

    def blocks_at_once(self, block_size: int) -> int:
        return -(-self.concurrency // block_size) + 1  # one more, so that the last requests of a block leave no gap

    def prepare(self, folder: Path, console: Console) -> GeneratorIdentity:
        settings: dict[str, str | int | float | None] = {"seed": self.seed, "temperature": self.temperature}
        return GeneratorIdentity(source="chat", model=self.model, revision="as served", settings=settings)

    def open(self, folder: Path) -> QueryGenerator:
        from offline.generate.chat import ChatGenerator

        return ChatGenerator(self)


@dataclass(frozen=True, slots=True)
class PublishedSource:
    """Ready-made files."""

    files: tuple[Path, ...]

    def blocks_at_once(self, block_size: int) -> int:
        return 1

    def prepare(self, folder: Path, console: Console) -> GeneratorIdentity:
        from offline.generate import published

        identity = published.identity_of(self.files)
        index = self._index(folder)
        if not index.is_file():
            index.parent.mkdir(exist_ok=True)
            published.index_published(self.files, index, folder, console)
        return identity

    def open(self, folder: Path) -> QueryGenerator:
        from offline.generate.published import PublishedGenerator

        return PublishedGenerator(self._index(folder))

    def _index(self, folder: Path) -> Path:
        files = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in self.files]
        return folder / "source" / f"published-{_short_digest(files)}.sqlite"


def _short_digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
