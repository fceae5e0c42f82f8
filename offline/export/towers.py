"""Load the transformer and the tokenizer of a checkpoint."""

from dataclasses import dataclass
from pathlib import Path

import transformers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from app.errors import ConfigurationError
from offline.export.pretrained import load_pretrained


@dataclass(frozen=True, slots=True)
class Tower:
    """One side of a bi-encoder: a transformer in eval mode, without heads, and its tokenizer."""

    source: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def name(self) -> str:
        """A hub id as it is, a folder by its name: a bundle does not tell where it was made."""
        return Path(self.source).resolve().name if Path(self.source).exists() else self.source

    @property
    def revision(self) -> str:
        """The hub's commit, or ``local`` for a folder."""
        return getattr(self.model.config, "_commit_hash", None) or "local"


def load_tower(source: str, revision: str) -> Tower:
    """Load a hub id or a folder.

    Raises:
        ConfigurationError: no such checkpoint, no fast tokenizer, or a DPR encoder that projects
            its vectors.
    """
    config = load_pretrained(AutoConfig, source, revision)
    loader = AutoModel
    if config.model_type == "dpr":
        # AutoModel would take a context encoder's weights for a question encoder's.
        loader = getattr(transformers, (config.architectures or ["DPRQuestionEncoder"])[0])
    model = load_pretrained(loader, source, revision)
    tokenizer = load_pretrained(AutoTokenizer, source, revision, use_fast=True)
    if not tokenizer.is_fast:
        raise ConfigurationError(f"{source} has no fast tokenizer, and none can be made from its files")
    if config.model_type == "dpr":
        if config.projection_dim:
            raise ConfigurationError(f"{source} projects its vectors, which a bundle cannot hold")
        # optimum exports BERT, not the wrapper around it
        inner = next(model.children()).bert_model
        model = BertModel(BertConfig(**(config.to_dict() | {"model_type": "bert"})), add_pooling_layer=False)
        model.load_state_dict(inner.state_dict())
    return Tower(source, model.eval(), tokenizer)
