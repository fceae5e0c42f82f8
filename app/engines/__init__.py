"""Engines that run a bundle's ONNX graphs: ONNX Runtime, and OpenVINO where it is asked for.

Both read the same files and are held to the same canaries.  Which one runs is the operator's
explicit choice; ``/v1/info`` shows it.
"""

from pathlib import Path

from app.engines.onnx_runtime import OnnxRuntimeEngine
from app.engines.protocol import Device, DeviceChoice, Engine, EngineName, Feeds

__all__ = ["Device", "DeviceChoice", "Engine", "EngineName", "Feeds", "open_engine"]


def open_engine(
    name: EngineName, path: Path, *, device: DeviceChoice = "cpu", callers: int = 1, threads: int = 1
) -> Engine:
    """Load a graph.

    Args:
        device: ``auto`` takes CUDA where ONNX Runtime has it, else the CPU.
        callers: threads that will call ``run`` at once.
        threads: intra-op threads of one call.

    Raises:
        BundleError: the engine cannot load the graph.
        ConfigurationError: the engine is not installed, or cannot have the device.
    """
    if name == "openvino":  # an extra
        from app.engines.open_vino import OpenVinoEngine

        return OpenVinoEngine(path, device=device, callers=callers, threads=threads)
    return OnnxRuntimeEngine(path, device=device, threads=threads)
