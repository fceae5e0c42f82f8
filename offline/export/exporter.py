"""export(): the steps from checkpoints to a bundle."""

import shutil
from importlib import metadata
from pathlib import Path

from rich.console import Console

from app.bundle import MANIFEST, TOKENIZER, Bundle, Canary, EncoderIdentity, Manifest, Side, digest_of, sha256_of
from app.encoder import OnnxEncoder
from app.errors import ConfigurationError, RunConflict
from offline.export import graph
from offline.export.parity import check_parity
from offline.export.precision import convert
from offline.export.request import ExportRequest
from offline.export.settings import EmbeddingSettings, resolve_pair, token_limit
from offline.export.towers import Tower, load_tower


def export(request: ExportRequest, console: Console) -> Bundle:
    """Write a bundle and return it, opened.

    Raises:
        RunConflict: the output folder holds something already.
        ConfigurationError: a checkpoint cannot be loaded, or its settings cannot be resolved.
        VerificationError: the exported encoder does not embed like torch; no bundle is left.
    """
    output = request.output
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise RunConflict(f"{output} is not empty; remove it or give another --output")
    query = load_tower(request.query_model, request.revision)
    tied = request.passage_model == request.query_model
    passage = query if tied else load_tower(request.passage_model, request.revision)
    settings = resolve_pair(request)
    towers = {Side.QUERY: query, Side.PASSAGE: passage}

    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        files = [_save_tokenizer(towers, partial)]
        for name, tower in {"model": query}.items() if tied else towers.items():
            console.print(f"exporting {tower.name} as {name}.onnx, {request.precision}")
            transformer = graph.export_transformer(tower.model, partial / "optimum")
            shutil.rmtree(partial / "optimum")
            transformer = convert(transformer, request.precision)
            graph.append_pooling(transformer, settings, tower.model.config.hidden_size)
            files += graph.save(transformer, partial / f"{name}.onnx")
        identity = _identity(request, settings, towers, files)
        draft = Manifest(
            fingerprint=identity.fingerprint, encoder=identity, canaries=[], canaries_sha256="", exported_with={}
        )
        encoder = OnnxEncoder(Bundle(partial, draft), sides=tuple(Side))
        canaries = [
            Canary(lang=lang, side=side, text=text, vector=vector.tolist())
            for lang, side, text, vector in check_parity(encoder, towers, console)
        ]
        versions = {name: metadata.version(name) for name in ("torch", "transformers", "optimum-onnx", "onnx")}
        manifest = draft.model_copy(
            update={"canaries": canaries, "canaries_sha256": digest_of(canaries), "exported_with": versions}
        )
        (partial / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        if output.exists():
            output.rmdir()
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Bundle.open(output)


def _identity(
    request: ExportRequest, settings: EmbeddingSettings, towers: dict[Side, Tower], files: list[Path]
) -> EncoderIdentity:
    query, passage = towers[Side.QUERY], towers[Side.PASSAGE]
    dimensions = {tower.model.config.hidden_size for tower in towers.values()}
    if len(dimensions) > 1:
        raise ConfigurationError(f"the towers have different dimensions ({sorted(dimensions)}); they cannot be a pair")
    untied = passage is not query
    return EncoderIdentity(
        source=query.name,
        revision=query.revision,
        passage_source=passage.name if untied else None,
        passage_revision=passage.revision if untied else None,
        dimension=dimensions.pop(),
        pooling=settings.pooling,
        normalize=settings.normalize,
        similarity=settings.similarity,
        query_prefix=settings.query_prefix,
        passage_prefix=settings.passage_prefix,
        query_max_tokens=token_limit(request.options.query_max_tokens, query.model.config),
        passage_max_tokens=token_limit(request.options.passage_max_tokens, passage.model.config),
        precision=request.precision,
        opset=graph.OPSET,
        pad_token_id=query.tokenizer.pad_token_id,
        files={path.name: sha256_of(path) for path in sorted(files)},
    )


def _save_tokenizer(towers: dict[Side, Tower], folder: Path) -> Path:
    """One tokenizer serves both sides.

    Raises:
        ConfigurationError: the towers tokenize differently.
    """
    texts = []
    for tower in towers.values():
        backend = tower.tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        texts.append(backend.to_str())
    if len(set(texts)) > 1:
        raise ConfigurationError("the query and the passage model have different tokenizers; a bundle holds one")
    path = folder / TOKENIZER
    path.write_text(texts[0], encoding="utf-8")
    return path
