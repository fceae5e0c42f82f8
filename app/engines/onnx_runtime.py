"""ONNX Runtime, the default engine."""

from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime

from app.engines.protocol import Device, DeviceChoice, Feeds
from app.errors import BundleError, ConfigurationError
from app.vectors import Vectors

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxRuntimeEngine:
    """An ``Engine`` on an inference session, which all callers share.

    Each call runs on its caller's own thread, so throughput comes from as many callers as there
    are cores.
    """

    arithmetic = "float32"

    def __init__(self, path: Path, *, device: DeviceChoice, threads: int) -> None:
        _refuse_two_runtimes()
        self.version = f"onnxruntime {onnxruntime.__version__}"
        self._session = _open_session(path, device, threads)
        self.device: Device = "cuda" if _CUDA in self._session.get_providers() else "cpu"
        self.inputs = frozenset(node.name for node in self._session.get_inputs())
        (output,) = self._session.get_outputs()
        self._output = output.name
        self.dimension: int = output.shape[-1]

    def run(self, feeds: Feeds) -> Vectors:
        (vectors,) = self._session.run([self._output], dict(feeds))
        return np.asarray(vectors, np.float32)


def _open_session(path: Path, device: DeviceChoice, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the cores from the web server between two batches.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # It plans memory anew for every shape, and no two batches have the same: 4 % of the time.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    has_cuda = _CUDA in onnxruntime.get_available_providers()
    providers = [_CUDA, _CPU] if has_cuda and device != "cpu" else [_CPU]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime raises a class per status code, with no common base
        raise BundleError(f"ONNX Runtime cannot load {path}: {error}") from error
    # a build with CUDA falls back to the CPU without a word, where the driver does not fit
    if device == "cuda" and _CUDA not in session.get_providers():
        raise ConfigurationError(
            f"{_CUDA} was asked for, but ONNX Runtime offers {', '.join(session.get_providers())}; "
            "install the `gpu` extra and a CUDA driver, or set the device to cpu or auto"
        )
    return session


def _refuse_two_runtimes() -> None:
    """Both wheels install the same files: whichever came last wins, whatever was asked for."""
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)]
    if len(installed) > 1:
        raise ConfigurationError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; uninstall both, "
            "then install one of the extras `cpu` and `gpu`"
        )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
