"""Engines: both read the same bundle, agree with its golden vectors, and are batch-invariant."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder
from app.engines import EngineName, open_engine
from app.errors import BundleError, ConfigurationError
from app.index.edge import EdgeIndex
from app.invariance import batch_invariance, check_batch_invariance
from app.languages import LANGUAGES
from app.vectors import cosine
from tests.conftest import ROOT, Built

ENGINES: tuple[EngineName, ...] = ("onnxruntime", "openvino")
TEXTS = [language.example for language in LANGUAGES] + ["Tokyo", "Who painted the Mona Lisa, and when? " * 12]


@pytest.fixture(scope="module", params=ENGINES)
def either(request: pytest.FixtureRequest, demo_bundle: Bundle) -> OnnxEncoder:
    return OnnxEncoder(demo_bundle, engine=request.param, callers=2)


@pytest.fixture(scope="module")
def index(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeIndex]:
    folder = tmp_path_factory.mktemp("engines") / "index"
    shutil.copytree(built.index.removeprefix("edge:"), folder, symlinks=True)
    opened = EdgeIndex.open(folder, "passages")
    yield opened
    asyncio.run(opened.close())


def test_an_engine_gives_every_canary_its_golden_vector(either: OnnxEncoder) -> None:
    canaries = [canary for canary in either.bundle.manifest.canaries if canary.side is Side.QUERY]
    vectors = either.encode(either.tokenize([canary.text for canary in canaries], Side.QUERY), Side.QUERY)
    for canary, vector in zip(canaries, vectors, strict=True):
        assert cosine(vector, np.asarray(canary.vector, np.float32)) > 0.9998, canary.lang


def test_an_engine_says_what_it_is(either: OnnxEncoder) -> None:
    name, version = either.engine.version.split()
    assert name in ENGINES
    assert version[0].isdigit()
    assert either.engine.device == "cpu"
    assert either.engine.arithmetic in ("float32", "bfloat16", "float16")


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=9), place=st.integers(0, 8))
async def test_neither_vector_nor_hits_depend_on_the_batch(
    either: OnnxEncoder, index: EdgeIndex, batch: list[str], place: int
) -> None:
    tokens = either.tokenize(batch, Side.QUERY)
    place %= len(tokens)
    together = either.encode(tokens, Side.QUERY)[place]
    (alone,) = either.encode([tokens[place]], Side.QUERY)
    assert cosine(together, alone) > 0.99999
    hits, hits_alone = await index.query(together, 10), await index.query(alone, 10)
    assert [hit.passage.docid for hit in hits] == [hit.passage.docid for hit in hits_alone]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in hits_alone], abs=1e-4)


def test_the_check_at_the_start_passes_what_is_invariant(either: OnnxEncoder) -> None:
    assert batch_invariance(either) > 0.99999
    check_batch_invariance(either)


def test_an_encoder_with_dynamic_int8_is_refused_at_the_start(demo_bundle: Bundle, tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = shutil.copytree(demo_bundle.folder, tmp_path / "whole")
    folder = tmp_path / "dynamic"
    folder.mkdir()
    quantize_dynamic(
        whole / "model.onnx", folder / "model.onnx", op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8
    )
    shutil.copy(demo_bundle.tokenizer_path, folder)
    encoder = OnnxEncoder(Bundle(folder, demo_bundle.manifest))
    with pytest.raises(BundleError, match=r"another vector \(cosine 0\.99\d\d\) when others are in its batch"):
        check_batch_invariance(encoder)


def test_the_first_calls_may_come_from_two_threads_at_once(demo_bundle: Bundle) -> None:
    """In a process of its own: what is set up once per process is what they could wait for."""
    program = f"""
import threading
from pathlib import Path
from app.bundle import Bundle, Side
from app.encoder import OnnxEncoder

encoder = OnnxEncoder(Bundle.open(Path({str(demo_bundle.folder)!r})), engine="openvino", callers=2)
start = threading.Barrier(2)

def work():
    tokens = encoder.tokenize(["one"], Side.QUERY)
    start.wait()
    encoder.encode(tokens, Side.QUERY)

threads = [threading.Thread(target=work) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=300, check=False).returncode == 0


def test_cuda_is_not_replaced_by_the_cpu_unasked(demo_bundle: Bundle) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this build of ONNX Runtime has CUDA")
    path = demo_bundle.model_path(Side.QUERY)
    with pytest.raises(ConfigurationError, match="CUDAExecutionProvider was asked for, but"):
        open_engine("onnxruntime", path, device="cuda")
    assert open_engine("onnxruntime", path, device="auto").device == "cpu"
    with pytest.raises(ConfigurationError, match="openvino runs on the CPU"):
        open_engine("openvino", path, device="cuda")


def test_an_engine_that_is_not_installed_says_how_to_get_it(
    demo_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "app.engines.open_vino", raising=False)
    with pytest.raises(ConfigurationError, match=r"pip install 'xqg\[openvino\]'"):
        open_engine("openvino", demo_bundle.model_path(Side.QUERY))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_cannot_be_read_is_named(engine: EngineName, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"cannot load .*model\.onnx"):
        open_engine(engine, tmp_path / "model.onnx")


def test_onnx_runtime_writes_nothing_outside_and_so_tells_nobody(tmp_path: Path, tiny_bundle: Bundle) -> None:
    code = (
        "import sys, pathlib; from app.engines import open_engine; "
        "open_engine('onnxruntime', pathlib.Path(sys.argv[1]))"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    model = str(tiny_bundle.model_path(Side.QUERY))

    subprocess.run([sys.executable, "-c", code, model], env=environment, cwd=ROOT, check=True)

    assert list(tmp_path.iterdir()) == []
