"""Tiny, randomly initialised encoders of real architectures, as Hugging Face folders."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    DPRConfig,
    DPRContextEncoder,
    DPRQuestionEncoder,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 2048,
}


def bytes_tokenizer(roberta: bool) -> PreTrainedTokenizerFast:
    """Every byte a token, so that any script has its own; framed as BERT or XLM-R frame texts."""
    specials = ["<s>", "<pad>", "</s>", "<unk>"] if roberta else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = specials + sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(
        models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token=specials[3 if roberta else 1])
    )
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    first, last = ("<s>", "</s>") if roberta else ("[CLS]", "[SEP]")
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(first, pieces.index(first)), (last, pieces.index(last))]
    )
    if roberta:
        return PreTrainedTokenizerFast(
            tokenizer_object=backend, cls_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>"
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]"
    )


def write(folder: Path, model: PreTrainedModel, roberta: bool = False) -> Path:
    model.save_pretrained(folder)
    bytes_tokenizer(roberta).save_pretrained(folder)
    return folder


def mbert(folder: Path, seed: int = 0) -> Path:
    """A BERT of mBERT's make: learned positions from 0, token types."""
    torch.manual_seed(seed)
    return write(folder, BertModel(BertConfig(**_SIZES, max_position_embeddings=96)))


def xlmr(folder: Path, seed: int = 0) -> Path:
    """An XLM-R: positions counted from the padding index, no token types."""
    torch.manual_seed(seed)
    return write(
        folder,
        XLMRobertaModel(XLMRobertaConfig(**_SIZES, max_position_embeddings=98, type_vocab_size=1, pad_token_id=1)),
        True,
    )


def dpr(folder: Path, passage: bool, seed: int = 0) -> Path:
    """One tower of a DPR pair, in its own wrapper classes."""
    torch.manual_seed(seed)
    config = DPRConfig(**_SIZES, max_position_embeddings=96)
    return write(folder, DPRContextEncoder(config) if passage else DPRQuestionEncoder(config))


def mt5(folder: Path, seed: int = 0) -> Path:
    """A seq2seq model of mT5's make that writes bytes; what it writes is noise, but its own."""
    torch.manual_seed(seed)
    pieces = ["<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    config = MT5Config(
        vocab_size=len(pieces),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
    )
    MT5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
