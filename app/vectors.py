"""The one type of vectors everywhere: float32 arrays."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def cosine(a: Vectors, b: Vectors) -> float:
    """Of two vectors, float32 [dimension]; NaN where one is zero."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
