"""How a checkpoint wants its texts embedded: options first, then its sentence-transformers files."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from transformers import PretrainedConfig
from transformers.utils.hub import cached_file

from app.errors import ConfigurationError
from offline.export.request import EmbeddingOptions, ExportRequest, Pooling, Similarity


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """What holds: every field decided."""

    pooling: Pooling
    normalize: bool
    similarity: Similarity
    query_prefix: str
    passage_prefix: str


def resolve_settings(options: EmbeddingOptions, model: str, revision: str) -> EmbeddingSettings:
    """Merge options with ``modules.json``, ``1_Pooling`` and ``config_sentence_transformers.json``.

    Without those files pooling must be given, since a wrong guess yields plausible rubbish;
    the rest defaults to the setting of DPR-like encoders: no normalisation, dot product.

    Raises:
        ConfigurationError: the pooling is unknown, or the checkpoint has a module between
            pooling and output that a bundle cannot hold.
    """
    modules = _read_json(model, "modules.json", revision) or []
    pooling: Pooling | None = options.pooling
    normalize = False
    for module in modules:
        kind = module["type"].rpartition(".")[2]
        if kind == "Pooling":
            pooling = pooling or _pooling(_read_json(model, f"{module['path']}/config.json", revision) or {}, model)
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            raise ConfigurationError(f"{model} has a {kind} module, which a bundle cannot hold; use another checkpoint")
    if pooling is None:
        raise ConfigurationError(f"{model} does not say how it pools; give --pooling cls or --pooling mean")
    if options.normalize is not None:
        normalize = options.normalize
    extra = _read_json(model, "config_sentence_transformers.json", revision) or {}
    prompts = extra.get("prompts") or {}
    similarity = options.similarity or extra.get("similarity_fn_name")
    if similarity not in ("dot", "cosine"):
        similarity = "cosine" if normalize else "dot"
    return EmbeddingSettings(
        pooling=pooling,
        normalize=normalize,
        similarity=cast(Similarity, similarity),
        query_prefix=_first(options.query_prefix, prompts.get("query"), ""),
        passage_prefix=_first(options.passage_prefix, prompts.get("passage"), prompts.get("document"), ""),
    )


def resolve_pair(request: ExportRequest) -> EmbeddingSettings:
    """The settings of a pair of towers: those of the query model, with the passage model's prefix.

    Raises:
        ConfigurationError: the two pool, normalise or compare differently; options may decide.
    """
    query = resolve_settings(request.options, request.query_model, request.revision)
    passage = resolve_settings(request.options, request.passage_model, request.revision)
    for name in ("pooling", "normalize", "similarity"):
        if getattr(query, name) != getattr(passage, name):
            raise ConfigurationError(
                f"{name} is {getattr(query, name)!r} in {request.query_model} and {getattr(passage, name)!r} in "
                f"{request.passage_model}; a bundle has one for both, give --{name}"
            )
    return replace(query, passage_prefix=passage.passage_prefix)


def token_limit(wanted: int, config: PretrainedConfig) -> int:
    """The wanted limit, or less where the model has fewer positions."""
    positions = int(getattr(config, "max_position_embeddings", wanted) or wanted)
    if "roberta" in config.model_type or config.model_type == "camembert":
        # these count positions from padding_idx + 1
        positions -= int(config.pad_token_id) + 1
    return min(wanted, positions)


def _pooling(config: dict[str, Any], model: str) -> Pooling:
    """From ``pooling_mode: "mean"`` or the older ``pooling_mode_mean_tokens: true``."""
    modes = {key.removeprefix("pooling_mode_") for key, on in config.items() if key.startswith("pooling_mode_") and on}
    if config.get("pooling_mode"):
        modes = {config["pooling_mode"]}
    if modes in ({"mean_tokens"}, {"mean"}):
        return "mean"
    if modes in ({"cls_token"}, {"cls"}):
        return "cls"
    raise ConfigurationError(
        f"{model} pools by {', '.join(sorted(modes)) or 'nothing known'}; only cls and mean are supported"
    )


def _first(*values: str | None) -> str:
    return next(value for value in values if value is not None)


def _read_json(model: str, name: str, revision: str) -> Any:
    if Path(model).is_dir():
        path = Path(model) / name
    else:
        found = cached_file(
            model,
            name,
            revision=revision,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        path = Path(found) if found else Path()
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
