"""A seq2seq checkpoint to a folder of ONNX graphs, checked against torch."""

import hashlib
import json
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
import transformers
from optimum.onnxruntime import ORTModelForSeq2SeqLM
from rich.console import Console
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

from app.errors import ConfigurationError, VerificationError
from app.languages import LANGUAGES
from offline.export.graph import run_optimum
from offline.export.pretrained import load_pretrained

MANIFEST = "generator.json"
"""Written last: a folder that has it is whole."""

_TOLERANCE = 2e-3  # of the logits' own range; fp32 differs by about a hundredth of it


def is_exported(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def export_seq2seq(source: str, revision: str, output: Path, console: Console) -> None:
    """Write encoder and decoder graphs, tokenizer and settings of a hub id or a folder.

    Raises:
        ConfigurationError: it is no seq2seq model, or cannot be loaded.
        VerificationError: the graphs do not compute what torch does; nothing is left.
    """
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        config = load_pretrained(AutoConfig, source, revision)
        if not config.is_encoder_decoder:
            raise ConfigurationError(
                f"{source} is a {config.model_type} model and generates no text from text; "
                "give an mT5 or another seq2seq model"
            )
        model = load_pretrained(AutoModelForSeq2SeqLM, source, revision).eval()
        tokenizer = load_pretrained(AutoTokenizer, source, revision)
        console.print(f"exporting {source} to ONNX")
        inputs = _inputs(model, tokenizer)
        with torch.no_grad():
            expected = model(**inputs).logits.numpy()  # before the exporter changes the model's settings
        commit = getattr(config, "_commit_hash", None) or f"local-{_digest_of(model)}"
        run_optimum(model, partial, "text2text-generation-with-past")
        tokenizer.save_pretrained(partial)
        exported = ORTModelForSeq2SeqLM.from_pretrained(partial, use_merged=False)
        worst = float(np.abs(exported(**inputs).logits.numpy() - expected).max() / np.ptp(expected))
        if not worst <= _TOLERANCE:
            raise VerificationError(
                f"{source}: the exported graph's logits differ from torch's by {worst:.2%} of their range"
            )
        name = Path(source).resolve().name if Path(source).exists() else source
        versions = {package: metadata.version(package) for package in ("torch", "transformers", "optimum-onnx")}
        about = {"source": name, "revision": commit, "exported_with": versions}
        (partial / MANIFEST).write_text(json.dumps(about, indent=1), encoding="utf-8")
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _digest_of(model: transformers.PreTrainedModel) -> str:
    """Of the weights: folders of one name may hold different ones."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _inputs(
    model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerBase
) -> dict[str, torch.Tensor]:
    """A prompt in each language, with two steps of the decoder."""
    batch = tokenizer([f"{language.name}: {language.example}" for language in LANGUAGES], padding=True)
    inputs = {name: torch.tensor(batch[name]) for name in ("input_ids", "attention_mask")}
    inputs["decoder_input_ids"] = torch.tensor([[model.config.decoder_start_token_id, 5]] * len(LANGUAGES))
    return inputs
