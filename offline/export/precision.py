"""Smaller weights: half precision, or 8- and 4-bit block quantisation of weights alone.

Dynamic int8, with one scale for all activations of a batch, would be faster, but ties a vector to
its batch-mates.  Here the files hold quantised weights alone; the kernel may round activations,
in blocks of one token's own values, so every vector stays a function of its own text.
"""

import logging

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from offline.export.request import Precision

_BLOCK = 32  # weights that share a scale


def convert(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """The same transformer with its weights stored as asked; inputs and outputs keep their types."""
    if precision == "fp16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        converted: onnx.ModelProto = convert_float_to_float16(model, keep_io_types=True)
        return converted
    if precision == "int8":
        _quantise_lookups(model)
        return _quantise_blocks(model, bits=8, kinds=("MatMul",))
    if precision == "int4":
        return _quantise_blocks(model, bits=4, kinds=("MatMul", "Gather"))
    return model


def _quantise_blocks(model: onnx.ModelProto, bits: int, kinds: tuple[str, ...]) -> onnx.ModelProto:
    from onnxruntime.quantization import matmul_nbits_quantizer

    logging.getLogger(matmul_nbits_quantizer.__name__).setLevel(logging.ERROR)
    quantizer = matmul_nbits_quantizer.MatMulNBitsQuantizer(
        model,
        bits=bits,
        block_size=_BLOCK,
        is_symmetric=True,
        accuracy_level=4,
        op_types_to_quantize=kinds,
    )
    with np.errstate(invalid="ignore", divide="ignore"):  # a row of zeros, as padding has, has the scale 0
        quantizer.process()
    quantised: onnx.ModelProto = quantizer.model.model
    return quantised


def _quantise_lookups(model: onnx.ModelProto) -> None:
    """Store embedding tables as int8 with one float32 scale per row.

    The quantiser above knows embedding tables at 4 bits only, and they are most of a
    multilingual model: row r of the table becomes ``int8[r] * scale[r]``, looked up and
    multiplied for the tokens at hand alone.
    """
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        table = stored.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.data_type != TensorProto.FLOAT or len(table.dims) != 2:
            nodes.append(node)
            continue
        weights = numpy_helper.to_array(table)
        scales = np.maximum(np.abs(weights).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
        names = [f"{table.name}/{part}" for part in ("int8", "scale")]
        graph.initializer.remove(table)
        graph.initializer.append(numpy_helper.from_array(np.rint(weights / scales).astype(np.int8), names[0]))
        graph.initializer.append(numpy_helper.from_array(scales.astype(np.float32), names[1]))
        rows, floats, factor = (f"{node.output[0]}/{part}" for part in ("rows", "floats", "factor"))
        nodes += [
            helper.make_node("Gather", [names[0], node.input[1]], [rows]),
            helper.make_node("Cast", [rows], [floats], to=TensorProto.FLOAT),
            helper.make_node("Gather", [names[1], node.input[1]], [factor]),
            helper.make_node("Mul", [floats, factor], [node.output[0]]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
