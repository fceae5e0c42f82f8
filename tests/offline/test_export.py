"""Export: real architectures, all precisions, and refusal where the result would be wrong."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from transformers import AutoModel

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.errors import BundleError, ConfigurationError, RunConflict, VerificationError
from offline.export.exporter import export
from offline.export.request import EmbeddingOptions, ExportRequest
from offline.export.settings import resolve_settings
from tests import tiny

QUIET = Console(quiet=True)
CLS = EmbeddingOptions(pooling="cls")


def request(model: Path, output: Path, **more: object) -> ExportRequest:
    fields: dict[str, object] = {
        "query_model": str(model),
        "passage_model": str(model),
        "output": output,
        "options": CLS,
    }
    return ExportRequest(**(fields | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def mbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.mbert(tmp_path_factory.mktemp("models") / "mbert")


def test_the_bundle_says_how_it_embeds_and_its_limits_fit_the_model(mbert: Path, tmp_path: Path) -> None:
    options = EmbeddingOptions(pooling="mean", normalize=True, query_prefix="q: ", passage_prefix="p: ")
    identity = export(request(mbert, tmp_path / "b", options=options), QUIET).encoder
    assert (identity.source, identity.revision) == ("mbert", "local")
    assert (identity.pooling, identity.normalize, identity.similarity) == ("mean", True, "cosine")
    assert (identity.query_prefix, identity.passage_prefix) == ("q: ", "p: ")
    assert (identity.query_max_tokens, identity.passage_max_tokens) == (96, 96)  # the model has 96 positions
    assert set(identity.files) == {"model.onnx", "model.onnx_data", "tokenizer.json"}
    modes = {(tmp_path / "b" / name).stat().st_mode for name in identity.files}
    assert len(modes) == 1  # a service under another user reads all of it or nothing


def test_xlm_r_counts_positions_from_its_padding_index(tmp_path: Path) -> None:
    bundle = export(request(tiny.xlmr(tmp_path / "xlmr"), tmp_path / "b"), QUIET)
    assert bundle.encoder.passage_max_tokens == 96  # 98 positions less padding index and one
    encoder = OnnxEncoder(bundle, sides=tuple(Side))
    assert np.isfinite(encoder.encode(encoder.tokenize(["long " * 100], Side.PASSAGE), Side.PASSAGE)).all()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pooling_in_the_graph_equals_pooling_by_hand(mbert: Path, tmp_path: Path, pooling: str) -> None:
    options = EmbeddingOptions(pooling=pooling, normalize=False)  # type: ignore[arg-type]
    encoder = OnnxEncoder(export(request(mbert, tmp_path / "b", options=options), QUIET))
    texts = ["Missä?", "Где находится Байкал?"]
    tokens = encoder.tokenize(texts, Side.QUERY)
    model = AutoModel.from_pretrained(mbert).eval()
    for each, vector in zip(tokens, encoder.encode(tokens, Side.QUERY), strict=True):  # padded together
        with torch.inference_mode():
            hidden = model(torch.tensor([each.ids])).last_hidden_state[0].numpy()
        np.testing.assert_allclose(vector, hidden[0] if pooling == "cls" else hidden.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
def test_smaller_weights_make_a_smaller_file_and_no_batch_dependence(
    mbert: Path, tmp_path: Path, precision: str
) -> None:
    full = export(request(mbert, tmp_path / "full"), QUIET)
    small = export(request(mbert, tmp_path / "small", precision=precision), QUIET)
    sizes = [sum(file.stat().st_size for file in bundle.folder.glob("*.onnx*")) for bundle in (full, small)]
    assert sizes[1] < 0.75 * sizes[0]
    assert full.fingerprint != small.fingerprint
    encoder = OnnxEncoder(small)
    tokens = encoder.tokenize(["Missä?", "Где находится самое глубокое озеро на Земле?"], Side.QUERY)
    together = encoder.encode(tokens, Side.QUERY)
    alone = np.concatenate([encoder.encode([each], Side.QUERY) for each in tokens])
    # half precision rounds each matrix product; block quantisation must not see its neighbours at all
    np.testing.assert_allclose(together, alone, atol=2e-3 if precision == "fp16" else 1e-5)


def test_untied_towers_embed_each_side_with_its_own(tmp_path: Path) -> None:
    query, passage = tiny.mbert(tmp_path / "q", seed=1), tiny.mbert(tmp_path / "p", seed=2)
    bundle = export(request(query, tmp_path / "b", passage_model=str(passage)), QUIET)
    assert {"query.onnx", "passage.onnx", "tokenizer.json"} < set(bundle.encoder.files)
    assert (bundle.encoder.source, bundle.encoder.passage_source) == ("q", "p")
    encoder = OnnxEncoder(bundle, sides=tuple(Side))
    for side, model in ((Side.QUERY, query), (Side.PASSAGE, passage)):
        (tokens,) = encoder.tokenize(["Baikal"], side)
        with torch.inference_mode():
            expected = AutoModel.from_pretrained(model).eval()(torch.tensor([tokens.ids])).last_hidden_state[0, 0]
        np.testing.assert_allclose(encoder.encode([tokens], side)[0], expected.numpy(), atol=1e-5)


def test_dpr_towers_are_unwrapped_each_as_its_own_class(tmp_path: Path) -> None:
    query, passage = tiny.dpr(tmp_path / "q", passage=False), tiny.dpr(tmp_path / "p", passage=True, seed=1)
    bundle = export(request(query, tmp_path / "b", passage_model=str(passage)), QUIET)
    assert {"query.onnx", "passage.onnx", "tokenizer.json"} < set(bundle.encoder.files)


def test_the_same_model_exported_elsewhere_has_the_same_fingerprint(mbert: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "mbert"
    shutil.copytree(mbert, copy)
    first = export(request(mbert, tmp_path / "one"), QUIET)
    second = export(request(copy, tmp_path / "two"), QUIET)
    assert first.fingerprint == second.fingerprint


def test_export_prints_a_parity_row_for_each_canary_in_seven_languages(mbert: Path, tmp_path: Path) -> None:
    console = Console(record=True, width=120, file=io.StringIO())
    bundle = export(request(mbert, tmp_path / "b"), console)
    printed = console.export_text()
    assert [
        code for code in ("ar", "bn", "fi", "ja", "ko", "ru", "te") if not re.search(rf"│ {code} +│ query", printed)
    ] == []
    assert "1.000000" in printed
    assert len(bundle.manifest.canaries) == 9


def test_an_export_that_differs_from_torch_is_refused_and_leaves_nothing(
    mbert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from offline.export import graph

    real = graph.append_pooling

    def wrong(model, settings, dimension):  # type: ignore[no-untyped-def]
        """Stage the fault: pool by the mean what should be the first token."""
        real(model, type(settings)("mean", *[getattr(settings, name) for name in settings.__slots__[1:]]), dimension)

    monkeypatch.setattr(graph, "append_pooling", wrong)
    with pytest.raises(VerificationError, match="differs from torch by"):
        export(request(mbert, tmp_path / "b"), QUIET)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_taken_is_refused(mbert: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RunConflict, match="is not empty"):
        export(request(mbert, tmp_path), QUIET)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigurationError, match="give a hub id or a Hugging Face folder"):
        export(request(tmp_path / "nothing", tmp_path / "b"), QUIET)


def test_towers_of_different_dimension_or_tokenizer_are_no_pair(tmp_path: Path) -> None:
    bert, xlmr = tiny.mbert(tmp_path / "q"), tiny.xlmr(tmp_path / "p")
    with pytest.raises(ConfigurationError, match="different tokenizers"):
        export(request(bert, tmp_path / "b", passage_model=str(xlmr)), QUIET)


def sentence_transformers_files(folder: Path, pooling: dict[str, object], *modules: str, **extra: object) -> str:
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    kinds = ["Transformer", "Pooling", *modules]
    entries = [
        {"path": "1_Pooling" if kind == "Pooling" else "", "type": f"sentence_transformers.models.{kind}"}
        for kind in kinds
    ]
    (folder / "modules.json").write_text(json.dumps(entries))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(extra))
    return str(folder)


def test_pooling_prefixes_and_similarity_are_read_from_sentence_transformers_files(tmp_path: Path) -> None:
    model = sentence_transformers_files(
        tmp_path / "m",
        {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True},
        "Normalize",
        prompts={"query": "query: ", "document": "doc: "},
        similarity_fn_name="dot",
    )
    settings = resolve_settings(EmbeddingOptions(), model, "main")
    assert (settings.pooling, settings.normalize, settings.similarity) == ("mean", True, "dot")
    assert (settings.query_prefix, settings.passage_prefix) == ("query: ", "doc: ")
    said = resolve_settings(EmbeddingOptions(pooling="cls", normalize=False, query_prefix=""), model, "main")
    assert (said.pooling, said.normalize, said.query_prefix) == ("cls", False, "")


def test_a_model_that_does_not_say_how_it_pools_needs_the_option(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(ConfigurationError, match="give --pooling cls or --pooling mean"):
        resolve_settings(EmbeddingOptions(), str(tmp_path / "m"), "main")
    assert resolve_settings(CLS, str(tmp_path / "m"), "main").similarity == "dot"


def test_what_a_bundle_cannot_hold_is_refused(tmp_path: Path) -> None:
    dense = sentence_transformers_files(tmp_path / "d", {"pooling_mode_cls_token": True}, "Dense")
    with pytest.raises(ConfigurationError, match="Dense module"):
        resolve_settings(EmbeddingOptions(), dense, "main")
    last = sentence_transformers_files(tmp_path / "l", {"pooling_mode_lasttoken": True})
    with pytest.raises(ConfigurationError, match="only cls and mean"):
        resolve_settings(EmbeddingOptions(), last, "main")


def test_a_changed_byte_a_missing_file_and_an_edited_manifest_are_found(mbert: Path, tmp_path: Path) -> None:
    bundle = export(request(mbert, tmp_path / "b"), QUIET)
    model, manifest = tmp_path / "b" / "model.onnx", tmp_path / "b" / "bundle.json"
    whole, said = model.read_bytes(), manifest.read_text()
    model.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    with pytest.raises(BundleError, match=r"model\.onnx is damaged"):
        Bundle.open(bundle.folder)
    model.unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        Bundle.open(bundle.folder)
    model.write_bytes(whole)
    manifest.write_text(
        said.replace('"pooling":"cls"', '"pooling":"mean"').replace('"pooling": "cls"', '"pooling": "mean"')
    )
    with pytest.raises(BundleError, match="was edited"):
        Bundle.open(bundle.folder)
    canaries = json.loads(said)
    canaries["canaries"][0]["vector"][0] += 0.5
    manifest.write_text(json.dumps(canaries))
    with pytest.raises(BundleError, match="its canaries are not those of the export"):
        Bundle.open(bundle.folder)
    manifest.write_text(said[:200])
    with pytest.raises(BundleError, match="export the bundle again"):
        Bundle.open(bundle.folder)
    manifest.unlink()
    with pytest.raises(BundleError, match="is no bundle"):
        Bundle.open(bundle.folder)


def test_both_ways_to_name_the_pooling_are_read_and_mixtures_refused(tmp_path: Path) -> None:
    named = sentence_transformers_files(tmp_path / "n", {"pooling_mode": "cls", "include_prompt": True})
    assert resolve_settings(EmbeddingOptions(), named, "main").pooling == "cls"
    mixed = {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True, "include_prompt": True}
    with pytest.raises(ConfigurationError, match="pools by max_tokens, mean_tokens; only"):
        resolve_settings(EmbeddingOptions(), sentence_transformers_files(tmp_path / "x", mixed), "main")


def test_towers_that_pool_differently_are_refused_by_field(tmp_path: Path) -> None:
    query, passage = tiny.mbert(tmp_path / "q"), tiny.mbert(tmp_path / "p")
    sentence_transformers_files(query, {"pooling_mode_mean_tokens": True})
    sentence_transformers_files(passage, {"pooling_mode_cls_token": True}, prompts={"passage": "p: "})
    undecided = request(query, tmp_path / "b", passage_model=str(passage), options=EmbeddingOptions())
    with pytest.raises(ConfigurationError, match=r"pooling is 'mean' in .*q and 'cls' in .*p; .* give --pooling"):
        export(undecided, QUIET)
    decided = request(query, tmp_path / "b", passage_model=str(passage))
    assert export(decided, QUIET).encoder.passage_prefix == "p: "  # the passage model's own


@pytest.mark.parametrize("name", ["nope", "./typo/model/folder", "a b c"])
def test_a_name_that_is_no_model_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="give a hub id or a Hugging Face folder"):
        export(request(tmp_path / name, tmp_path / "b"), QUIET)
