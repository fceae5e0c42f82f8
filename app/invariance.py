"""Batch invariance: a query's vector must not depend on what else is in its batch.

Padding must be masked, and no scale may be taken over a whole batch, as dynamic int8 quantisation
does: the same question would find other passages when the service is busy.
"""

import numpy as np

from app.bundle import Side
from app.encoder import OnnxEncoder
from app.errors import BundleError
from app.vectors import cosine

_LEAST_COSINE = 0.9995
"""Kernels may differ in their last bits between batch sizes; dynamic int8 comes down to 0.99."""


def batch_invariance(encoder: OnnxEncoder) -> float:
    """The least cosine between a canary's vector alone and in a batch of all.

    The canaries differ in length, so all but the longest are padded.
    """
    texts = [canary.text for canary in encoder.bundle.manifest.canaries if canary.side is Side.QUERY]
    tokens = encoder.tokenize(texts, Side.QUERY)
    together = encoder.encode(tokens, Side.QUERY)
    alone = np.concatenate([encoder.encode([each], Side.QUERY) for each in tokens])
    return min(cosine(a, b) for a, b in zip(together, alone, strict=True))


def check_batch_invariance(encoder: OnnxEncoder) -> None:
    """Refuse an encoder whose answers would depend on the load.

    Raises:
        BundleError: it is not batch-invariant.
    """
    least = batch_invariance(encoder)
    if not least >= _LEAST_COSINE:
        raise BundleError(
            f"the encoder {encoder.bundle.folder} gives a query another vector (cosine {least:.4f}) when others "
            "are in its batch, as graphs with dynamic int8 do; export it with --precision fp32, int8 or int4"
        )
