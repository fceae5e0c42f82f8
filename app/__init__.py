"""The online half of xQG: embed a question in any language, return English passages.

Nothing in this package imports ``offline``, torch, transformers or optimum.
"""

import os

# ONNX Runtime tells its maker of its sessions, from 1.29 on, unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
