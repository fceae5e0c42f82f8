"""ONNX graphs whose one output is the finished vector."""

import warnings
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from optimum.exporters.onnx import onnx_export_from_model
from optimum.utils import logging
from transformers import PreTrainedModel

from offline.export.settings import EmbeddingSettings

OPSET = 18


def export_transformer(model: PreTrainedModel, folder: Path) -> onnx.ModelProto:
    """Export a transformer through optimum; its output is ``last_hidden_state``."""
    run_optimum(model, folder, "feature-extraction")
    return onnx.load(folder / "model.onnx")


def run_optimum(model: PreTrainedModel, folder: Path, task: str) -> None:
    """Write the graphs of a task and the model's own settings into a folder."""
    logging.set_verbosity_error()
    with warnings.catch_warnings():
        # tracing warns of what the parity check decides, and of a newer exporter, which is optimum's to choose
        warnings.simplefilter("ignore")
        onnx_export_from_model(model=model, output=folder, opset=OPSET, task=task, do_validation=False, device="cpu")


def append_pooling(model: onnx.ModelProto, settings: EmbeddingSettings, dimension: int) -> None:
    """Replace the output ``last_hidden_state`` [batch, tokens, d] by ``vector`` [batch, d].

    ``cls`` takes the first token; ``mean`` averages over the tokens that are not padding;
    ``normalize`` divides by the L2 norm.  All in float32.
    """
    graph = model.graph
    hidden = "last_hidden_state"

    def constant(name: str, values: list[int] | float, kind: int) -> str:
        dims = [len(values)] if isinstance(values, list) else []
        flat = values if isinstance(values, list) else [values]
        graph.initializer.append(helper.make_tensor(name, kind, dims, flat))
        return name

    def node(kind: str, *inputs: str, output: str, **attributes: int) -> str:
        graph.node.append(helper.make_node(kind, list(inputs), [output], name=f"pool/{output}", **attributes))
        return output

    if settings.pooling == "cls":
        first = constant("pool/first", 0, TensorProto.INT64)
        pooled = node("Gather", hidden, first, output="pooled", axis=1)
    else:
        mask = node("Cast", "attention_mask", output="mask", to=TensorProto.FLOAT)
        axis = constant("pool/token_axis", [1], TensorProto.INT64)
        mask = node("Unsqueeze", mask, constant("pool/last_axis", [2], TensorProto.INT64), output="mask_column")
        total = node("ReduceSum", node("Mul", hidden, mask, output="kept"), axis, output="total", keepdims=0)
        pooled = node("Div", total, node("ReduceSum", mask, axis, output="count", keepdims=0), output="pooled")
    if settings.normalize:
        axis = constant("pool/vector_axis", [1], TensorProto.INT64)
        norm = node("ReduceL2", pooled, axis, output="norm", keepdims=1)
        smallest = constant("pool/smallest", 1e-12, TensorProto.FLOAT)
        pooled = node("Div", pooled, node("Max", norm, smallest, output="safe_norm"), output="unit")
    node("Identity", pooled, output="vector")
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", dimension]))
    onnx.checker.check_model(model, full_check=False)


def save(model: onnx.ModelProto, path: Path) -> list[Path]:
    """Write the graph, and its weights beside it in ``<name>.onnx_data``.

    ONNX Runtime maps such a file into memory where it would parse and copy weights inside the
    graph: e5-small then opens in a tenth of the time and peaks at less than half the memory.  Nor
    has a file of its own the 2 GiB limit of the graph's format.
    """
    data = path.with_suffix(".onnx_data")
    onnx.save(model, path, save_as_external_data=True, location=data.name, all_tensors_to_one_file=True)
    data.chmod(path.stat().st_mode)  # onnx makes it readable by its owner alone
    return [path, data]
