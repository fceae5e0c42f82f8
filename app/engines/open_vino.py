"""OpenVINO on the CPU: the same ONNX files at half precision, where the CPU has it."""

import threading
from pathlib import Path

import numpy as np

from app.engines.protocol import Device, DeviceChoice, Feeds
from app.errors import BundleError, ConfigurationError
from app.vectors import Vectors

try:
    import openvino
except ImportError as error:
    raise ConfigurationError("the engine openvino is not installed; pip install 'xqg[openvino]'") from error

_ARITHMETIC = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


class OpenVinoEngine:
    """An ``Engine`` on a compiled model with one stream a caller.

    The hint asks for float16; a CPU without it takes bfloat16 or float32, and ``arithmetic`` says
    which.  A shape that a stream meets for the first time costs it some milliseconds more.
    """

    device: Device = "cpu"

    def __init__(self, path: Path, *, device: DeviceChoice, callers: int, threads: int) -> None:
        if device == "cuda":
            raise ConfigurationError("the engine openvino runs on the CPU; set the device to cpu, or take onnxruntime")
        self.version = f"openvino {openvino.__version__.split('-')[0]}"
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": callers,
            "INFERENCE_NUM_THREADS": callers * threads,
            "INFERENCE_PRECISION_HINT": "f16",
            # pinned threads would fight with a neighbour's in a container
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._model = openvino.Core().compile_model(str(path), "CPU", options)
        except RuntimeError as error:
            raise BundleError(f"OpenVINO cannot load {path}: {' '.join(str(error).split())}") from error
        self.arithmetic = _ARITHMETIC[self._model.get_property("INFERENCE_PRECISION_HINT").get_type_name()]
        self.inputs = frozenset(port.get_any_name() for port in self._model.inputs)
        self.dimension = self._model.output(0).get_partial_shape()[-1].get_length()
        self._of_thread = threading.local()
        # The first call of a process initialises statics of the binding; two threads that do so
        # at once wait for each other for ever, one with the GIL and one with the guard.
        self.run({name: np.ones((1, 1), np.int64) for name in self.inputs})

    def run(self, feeds: Feeds) -> Vectors:
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._model.create_infer_request()
        # the output is the request's own memory, which its next run overwrites
        return np.array(request.infer(dict(feeds), share_outputs=True)[0], np.float32)
