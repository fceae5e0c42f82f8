"""Engine: what the encoder needs of whatever runs the graph."""

from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from app.vectors import Vectors

EngineName = Literal["onnxruntime", "openvino"]
Device = Literal["cpu", "cuda"]
DeviceChoice = Literal["auto", "cpu", "cuda"]
Feeds = Mapping[str, NDArray[np.int64]]
"""Inputs by name, each [batch, width]."""


class Engine(Protocol):
    """A loaded graph with one output, the finished vectors.  ``run`` may be called on several threads at once."""

    @property
    def version(self) -> str:
        """Name and version, as ``/v1/info`` shows them."""

    @property
    def device(self) -> Device:
        """Where it runs."""

    @property
    def arithmetic(self) -> str:
        """Type of the matrix products: ``float32``, or what the engine found the CPU to do faster."""

    @property
    def inputs(self) -> frozenset[str]:
        """Names that ``run`` wants fed."""

    @property
    def dimension(self) -> int:
        """Width of the output."""

    def run(self, feeds: Feeds) -> Vectors:
        """float32 [batch, dimension]."""
