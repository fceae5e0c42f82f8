"""The one type of vectors everywhere: float32 arrays."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
