"""Does the exported encoder embed like the torch model it came from?"""

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from app.bundle import EncoderIdentity, Side
from app.encoder import OnnxEncoder
from app.errors import VerificationError
from app.vectors import Vectors
from offline.export.canaries import CANARIES
from offline.export.request import Precision
from offline.export.towers import Tower

# Largest |onnx - torch| / |torch| that a precision may show.  Relative to the length, since an
# encoder compared by dot product must keep lengths as well as directions.
TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "fp16": 2e-2, "int8": 5e-2, "int4": 3e-1}


def embed_with_torch(tower: Tower, text: str, side: Side, identity: EncoderIdentity) -> Vectors:
    """float32 [dimension] by torch and the original tokenizer: the oracle of the parity check."""
    prefix = identity.query_prefix if side is Side.QUERY else identity.passage_prefix
    limit = identity.query_max_tokens if side is Side.QUERY else identity.passage_max_tokens
    inputs = tower.tokenizer(prefix + text, truncation=True, max_length=limit, return_tensors="pt")
    with torch.inference_mode():
        hidden = tower.model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])[0][0]
    vector = hidden[0] if identity.pooling == "cls" else hidden.mean(dim=0)
    if identity.normalize:
        vector = torch.nn.functional.normalize(vector, dim=0)
    return np.asarray(vector.numpy(), np.float32)


def check_parity(
    encoder: OnnxEncoder, towers: dict[Side, Tower], console: Console
) -> list[tuple[str, Side, str, Vectors]]:
    """Embed every canary on its own and in one batch with both engines and print the table.

    Returns:
        The canaries with the vectors of the exported encoder.

    Raises:
        VerificationError: one differs by more than ``TOLERANCE``; nothing may be written.
    """
    identity = encoder.bundle.encoder
    tolerance = TOLERANCE[identity.precision]
    table = Table(title=f"Parity with torch, {identity.precision}, tolerance {tolerance:g}", title_justify="left")
    for column in ("language", "side", "tokens", "cosine", "difference", "in a batch"):
        table.add_column(column, justify="left" if column in ("language", "side") else "right")
    worst = 0.0
    canaries = []
    for side in Side:
        rows = [(lang, text) for lang, where, text in CANARIES if where is side]
        batch = encoder.tokenize([text for _, text in rows], side)
        batched = encoder.encode(batch, side)
        for (lang, text), tokens, in_batch in zip(rows, batch, batched, strict=True):
            expected = embed_with_torch(towers[side], text, side, identity)
            (alone,) = encoder.encode([tokens], side)
            length = float(np.linalg.norm(expected))
            differences = [float(np.linalg.norm(vector - expected)) / length for vector in (alone, in_batch)]
            cosine = float(alone @ expected) / (float(np.linalg.norm(alone)) * length)
            marked = f"{len(tokens)}{' (cut)' if tokens.truncated else ''}"
            table.add_row(lang, side, marked, f"{cosine:.6f}", *(f"{value:.1e}" for value in differences))
            # written so that a NaN fails too
            worst = max([worst, *differences]) if all(np.isfinite(differences)) else float("inf")
            canaries.append((lang, side, text, alone))
    console.print(table)
    if worst > tolerance:
        raise VerificationError(
            f"the exported encoder differs from torch by {worst:.2g}, more than {tolerance:g} for "
            f"{identity.precision}; nothing was written, try another --precision or report the model"
        )
    return canaries
