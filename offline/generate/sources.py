"""The three sources of queries, as options that say how to prepare and open each."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console

from app.encoder import Device
from app.errors import ConfigurationError
from offline.generate.generator import GeneratorIdentity, QueryGenerator

DEFAULT_MODEL = "ielabgroup/xor-tydi-docTquery-mt5-base"


class Source(Protocol):
    """Where queries come from.  Pickles, so that every worker can open its own generator."""

    @property
    def blocks_at_once(self) -> int:
        """How many blocks one worker has under way, so that a source that waits is never idle."""

    def prepare(self, folder: Path, console: Console) -> GeneratorIdentity:
        """Make, once a generation, what every worker needs; done again it changes nothing.

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

    def __post_init__(self) -> None:
        if self.temperature <= 0 or min(self.top_k, self.max_new_tokens, self.max_input_tokens) < 1:
            raise ConfigurationError("temperature, top-k and token limits must be positive")
        if self.batch_sequences < 1:
            raise ConfigurationError("a batch holds at least 1 sequence")

    @property
    def blocks_at_once(self) -> int:
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

        return Path(self.model) if is_exported(Path(self.model)) else folder / "generator"


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
        if not self.base_url.startswith(("http://", "https://")) or "@" in self.base_url:
            raise ConfigurationError(
                "--base-url: write http(s)://host/v1, with the key in XQG_CHAT_API_KEY and not in the address"
            )
        if not self.model:
            raise ConfigurationError("--model: name the chat server's model")

    @property
    def blocks_at_once(self) -> int:
        return 2  # a new block begins while the last requests of one are awaited

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

    @property
    def blocks_at_once(self) -> int:
        return 1

    def prepare(self, folder: Path, console: Console) -> GeneratorIdentity:
        from offline.generate import published

        if not self._index(folder).is_file():
            published.index_published(self.files, self._index(folder), console)
        return published.identity_of(self.files)

    def open(self, folder: Path) -> QueryGenerator:
        from offline.generate.published import PublishedGenerator

        return PublishedGenerator(self._index(folder))

    def _index(self, folder: Path) -> Path:
        return folder / "published.sqlite"
