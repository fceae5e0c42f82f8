"""Queries by a seq2seq model (docTquery), run by ONNX Runtime."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import onnxruntime
import torch
import transformers
from optimum.onnxruntime import ORTModelForSeq2SeqLM
from transformers import AutoTokenizer, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from app.cores import usable_cores
from app.engines import Device
from app.errors import ConfigurationError
from app.languages import LANGUAGES
from offline.generate.generator import Answer, Answers, GeneratorIdentity, Wanted
from offline.generate.sampling import GumbelTopK, sequence_key
from offline.generate.seq2seq_export import MANIFEST
from offline.generate.sources import Seq2SeqSource

_NAMES = {language.code: language.name for language in LANGUAGES}
_PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True, slots=True)
class _Draw:
    """``count`` queries of the prompt ``index``, from its query ``start`` on."""

    index: int
    start: int
    count: int


class _Closed(StoppingCriteria):  # type: ignore[misc]  # transformers has no types
    """Ends the decoding of a generator that is closed meanwhile."""

    def __init__(self, closed: threading.Event) -> None:
        self._closed = closed

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: object) -> torch.Tensor:
        return torch.full((len(input_ids),), self._closed.is_set())


class Seq2SeqGenerator:
    """Asks ``Generate a {language} question for this passage: {title} {passage}``, and samples.

    Raises:
        ConfigurationError: the folder is no exported model, or CUDA was asked for in vain.
    """

    rounds = 3  # an empty draw is drawn again

    def __init__(self, folder: Path, options: Seq2SeqSource) -> None:
        transformers.logging.set_verbosity_error()
        self._options = options
        self._closed = threading.Event()
        session = onnxruntime.SessionOptions()
        session.intra_op_num_threads = options.threads or usable_cores()
        session.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session.log_severity_level = 3
        provider = _PROVIDERS[options.device]
        if provider not in onnxruntime.get_available_providers():
            raise ConfigurationError(f"{provider} was asked for and is not there; install the `gpu` extra, or use cpu")
        try:
            self._model = ORTModelForSeq2SeqLM.from_pretrained(
                folder, use_merged=False, provider=provider, session_options=session
            )
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
        except Exception as error:  # onnxruntime raises a class per status code, with no common base
            raise ConfigurationError(f"cannot load the generator {folder}: {error}; export it again") from error
        if provider not in self._model.providers:
            raise ConfigurationError(f"{provider} was asked for and cannot be used; install a CUDA driver, or use cpu")

    def generate(self, wanted: Sequence[Wanted]) -> Answers:
        ids = self._tokenizer(
            [prompt_of(each) for each in wanted], truncation=True, max_length=self._options.max_input_tokens
        ).input_ids
        drawn: list[list[str]] = [[""] * each.count for each in wanted]
        tally: Counter[str] = Counter()
        for batch in self._batches([len(each) for each in ids], [each.count for each in wanted]):
            parts = [
                replace(wanted[draw.index], count=draw.count, drawn=wanted[draw.index].drawn + draw.start)
                for draw in batch
            ]
            decoded, tokens = self._decode(parts, [ids[draw.index] for draw in batch])
            tally.update(input_tokens=sum(len(ids[draw.index]) for draw in batch), generated_tokens=tokens)
            for draw, found in zip(batch, decoded, strict=True):
                drawn[draw.index][draw.start : draw.start + draw.count] = [text.strip() for text in found]
        answers = []
        for texts in drawn:
            kept = [text for text in texts if text]
            empty = len(texts) - len(kept)
            answers.append(Answer(kept, f"the model drew {empty} empty queries" if empty else ""))
        return Answers(answers, tally)

    def _batches(self, lengths: list[int], counts: list[int]) -> Iterator[list["_Draw"]]:
        """Prompts near in length that want as many queries, in batches that fit."""
        most = self._options.batch_sequences
        draws = [
            _Draw(index, start, min(most, count - start))
            for index, count in enumerate(counts)
            for start in range(0, count, most)
        ]
        draws.sort(key=lambda draw: (draw.count, -lengths[draw.index], draw.index, draw.start))
        for count, group in groupby(draws, key=lambda draw: draw.count):
            alike = list(group)
            size = max(1, most // count)
            for start in range(0, len(alike), size):
                yield alike[start : start + size]

    def _decode(self, wanted: Sequence[Wanted], ids: list[list[int]]) -> tuple[list[list[str]], int]:
        """The texts drawn for each prompt, and how many tokens they are."""
        options, count = self._options, wanted[0].count
        keys = [
            sequence_key(options.seed, each.passage.docid, each.language, each.drawn + number)
            for each in wanted
            for number in range(count)
        ]
        inputs = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._model.device)
        # the encoder runs once a prompt; its rows are repeated for the decoder alone
        encoded = self._model.encoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        encoded["last_hidden_state"] = encoded["last_hidden_state"].repeat_interleave(count, dim=0)
        with torch.inference_mode():
            rows = self._model.generate(
                encoder_outputs=encoded,
                attention_mask=inputs["attention_mask"].repeat_interleave(count, dim=0),
                do_sample=False,  # the noise is in the logits, see sampling.py
                num_beams=1,
                max_new_tokens=options.max_new_tokens,
                stopping_criteria=StoppingCriteriaList([_Closed(self._closed)]),
                logits_processor=LogitsProcessorList([GumbelTopK(keys, options.top_k, options.temperature)]),
            )
        if self._closed.is_set():  # what was drawn is not whole
            raise CancelledError
        texts = self._tokenizer.batch_decode(rows, skip_special_tokens=True)
        tokens = int((rows != self._model.config.pad_token_id).sum())
        return [texts[start : start + count] for start in range(0, len(texts), count)], tokens

    def close(self) -> None:
        """End what is under way."""
        self._closed.set()


def prompt_of(wanted: Wanted) -> str:
    """As docTquery was trained."""
    return f"Generate a {_NAMES[wanted.language]} question for this passage: {wanted.passage.embedded_text}"


def identity_of(folder: Path, options: Seq2SeqSource) -> GeneratorIdentity:
    """What decides the queries of an exported model."""
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        source, revision = str(about["source"]), str(about["revision"])
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{folder / MANIFEST} is damaged; remove the folder, it is exported again") from error
    decisive = ("seed", "top_k", "temperature", "max_new_tokens", "max_input_tokens")
    settings = {name: getattr(options, name) for name in decisive}
    return GeneratorIdentity(source="seq2seq", model=source, revision=revision, settings=settings)
