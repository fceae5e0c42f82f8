"""The online half of xQG: embed a question in any language, return English passages.

Nothing in this package imports ``offline``, torch, transformers or optimum.
"""

__version__ = "0.1.0"
