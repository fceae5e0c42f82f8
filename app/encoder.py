"""OnnxEncoder: texts to vectors with ONNX Runtime; synchronous and stateless."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from app.bundle import Bundle, Side
from app.errors import BundleError, ConfigurationError
from app.vectors import Vectors

Device = Literal["cpu", "cuda"]
_PROVIDERS: dict[Device, list[str]] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenized text, prefix and special tokens included."""

    ids: list[int]
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


class OnnxEncoder:
    """Embeds texts as its bundle says.  Calls may come from several threads at once.

    One session per distinct ONNX file is shared by all callers: each call runs on the caller's
    own thread, so throughput comes from as many callers as there are cores.

    Args:
        bundle: an opened bundle.
        sides: the sides that will be used; a service that only embeds queries loads no
            passage tower.
        device: where to run.  ``cuda`` is refused rather than silently replaced by the CPU.
        threads: intra-op threads of one call.  More than one pays only for a lone caller.

    Raises:
        BundleError: ONNX Runtime cannot load the graph, or its shape is not the manifest's.
        ConfigurationError: ``cuda`` was asked for and is not to be had, or two builds of ONNX
            Runtime overwrite each other.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        sides: Sequence[Side] = (Side.QUERY,),
        device: Device = "cpu",
        threads: int = 1,
    ) -> None:
        _refuse_two_runtimes()
        self.bundle = bundle
        self.device = device
        identity = bundle.encoder
        prefixes = {Side.QUERY: identity.query_prefix, Side.PASSAGE: identity.passage_prefix}
        limits = {Side.QUERY: identity.query_max_tokens, Side.PASSAGE: identity.passage_max_tokens}
        self._prefixes = {side: prefixes[side] for side in sides}
        sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._sessions = {}
        self._tokenizers = {}
        for side in sides:
            path = str(bundle.model_path(side))
            if path not in sessions:
                sessions[path] = _open_session(path, device, threads)
            self._sessions[side] = sessions[path]
            # Truncation is a setting of the tokenizer object, so each side has its own.
            tokenizer = Tokenizer.from_file(str(bundle.tokenizer_path))
            tokenizer.enable_truncation(max_length=limits[side])
            tokenizer.no_padding()
            self._tokenizers[side] = tokenizer
        self._takes_types = {
            side: any(node.name == "token_type_ids" for node in session.get_inputs())
            for side, session in self._sessions.items()
        }
        for session in sessions.values():
            width = session.get_outputs()[0].shape[-1]
            if width != identity.dimension:
                raise BundleError(
                    f"{bundle.folder}: the graph yields {width} dimensions, the manifest says {identity.dimension}"
                )

    @property
    def engine(self) -> str:
        """What runs the graph, with its version."""
        return f"onnxruntime {onnxruntime.__version__}"

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
        feeds: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if self._takes_types[side]:
            feeds["token_type_ids"] = np.zeros(shape, np.int64)
        (vectors,) = self._sessions[side].run(["vector"], feeds)
        return np.asarray(vectors, np.float32)


def _open_session(path: str, device: Device, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the cores from the web server between two batches.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=_PROVIDERS[device])
    except Exception as error:  # onnxruntime raises a class per status code, with no common base
        raise BundleError(f"ONNX Runtime cannot load {path}: {error}") from error
    wanted = _PROVIDERS[device][0]
    if wanted not in session.get_providers():
        raise ConfigurationError(
            f"{wanted} was asked for, but ONNX Runtime offers {', '.join(session.get_providers())}; "
            "install the `gpu` extra and a CUDA driver, or set the device to cpu"
        )
    return session


def _refuse_two_runtimes() -> None:
    """Both wheels install the same files: whichever came last wins, whatever was asked for."""
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)]
    if len(installed) > 1:
        raise ConfigurationError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; uninstall both, "
            "then install one of the extras `cpu` and `gpu`"
        )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
