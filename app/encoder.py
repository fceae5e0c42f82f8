"""OnnxEncoder: texts to vectors; synchronous and stateless."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from app.bundle import Bundle, Side
from app.engines import DeviceChoice, Engine, EngineName, open_engine
from app.errors import BundleError
from app.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenized text, prefix and special tokens included."""

    ids: list[int]
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


class OnnxEncoder:
    """Embeds texts as its bundle says.  Calls may come from several threads at once.

    One engine per distinct ONNX file is shared by all callers.

    Args:
        bundle: an opened bundle.
        sides: the sides that will be used; a service that only embeds queries loads no
            passage tower.
        engine: what runs the graph.
        device: where to run.  ``cuda`` is refused rather than silently replaced by the CPU.
        callers: threads that will call ``encode`` at once.
        threads: intra-op threads of one call.  More than one pays only for a lone caller.

    Raises:
        BundleError: the engine cannot load the graph, or its shape is not the manifest's.
        ConfigurationError: the engine is not installed, ``cuda`` was asked for and is not to be
            had, or two builds of ONNX Runtime overwrite each other.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        sides: Sequence[Side] = (Side.QUERY,),
        engine: EngineName = "onnxruntime",
        device: DeviceChoice = "cpu",
        callers: int = 1,
        threads: int = 1,
    ) -> None:
        self.bundle = bundle
        identity = bundle.encoder
        prefixes = {Side.QUERY: identity.query_prefix, Side.PASSAGE: identity.passage_prefix}
        limits = {Side.QUERY: identity.query_max_tokens, Side.PASSAGE: identity.passage_max_tokens}
        self._prefixes = {side: prefixes[side] for side in sides}
        engines: dict[Path, Engine] = {}
        self._engines = {}
        self._tokenizers = {}
        for side in sides:
            path = bundle.model_path(side)
            if path not in engines:
                engines[path] = open_engine(engine, path, device=device, callers=callers, threads=threads)
            self._engines[side] = engines[path]
            # Truncation is a setting of the tokenizer object, so each side has its own.
            tokenizer = Tokenizer.from_file(str(bundle.tokenizer_path))
            tokenizer.enable_truncation(max_length=limits[side])
            tokenizer.no_padding()
            self._tokenizers[side] = tokenizer
        for opened in engines.values():
            if opened.dimension != identity.dimension:
                raise BundleError(
                    f"{bundle.folder}: the graph yields {opened.dimension} dimensions, "
                    f"the manifest says {identity.dimension}"
                )
        self.engine = self._engines[sides[0]]

    def tokenize(self, texts: Sequence[str], side: Side) -> list[Tokens]:
        """Apply the side's prefix, tokenize, and cut at the side's limit."""
        prefix = self._prefixes[side]
        encodings = self._tokenizers[side].encode_batch([prefix + text for text in texts])
        return [Tokens(encoding.ids, bool(encoding.overflowing)) for encoding in encodings]

    def encode(self, batch: Sequence[Tokens], side: Side) -> Vectors:
        """Embed tokenized texts in one run of the graph.

        Returns:
            float32 of shape ``[len(batch), dimension]``, row i for ``batch[i]``, normalised if
            the bundle says so.
        """
        if not batch:
            return np.zeros((0, self.bundle.encoder.dimension), np.float32)
        shape = (len(batch), max(map(len, batch)))
        ids = np.full(shape, self.bundle.encoder.pad_token_id, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens.ids
            mask[row, : len(tokens)] = 1
        engine = self._engines[side]
        feeds = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in engine.inputs:
            feeds["token_type_ids"] = np.zeros(shape, np.int64)
        return engine.run(feeds)
