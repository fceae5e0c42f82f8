"""Draws follow the model's distribution, and are a query's own."""

import numpy as np
import pytest
import torch

from offline.generate import sampling
from offline.generate.sampling import GumbelTopK, gumbel, sequence_key

PROBABILITIES = np.array([0.5, 0.3, 0.15, 0.05])
DRAWS = 20_000


def draw(keys: list[int], temperature: float = 1.0, top_k: int = 4, step: int = 3) -> np.ndarray:
    logits = torch.log(torch.tensor(PROBABILITIES)).expand(len(keys), -1)
    noisy = GumbelTopK(keys, top_k, temperature)(torch.zeros(len(keys), step), logits)
    return noisy.argmax(-1).numpy()


def shares(tokens: np.ndarray) -> np.ndarray:
    return np.bincount(tokens, minlength=4) / len(tokens)


def keys(seed: int = 0, count: int = DRAWS) -> list[int]:
    return [sequence_key(seed, f"d{number}", "ar", 0) for number in range(count)]


def test_tokens_come_as_often_as_the_model_says() -> None:
    np.testing.assert_allclose(shares(draw(keys())), PROBABILITIES, atol=0.012)  # 3.4 standard errors


def test_a_temperature_sharpens_or_flattens() -> None:
    for temperature in (0.5, 2.0):
        expected = PROBABILITIES ** (1 / temperature)
        np.testing.assert_allclose(shares(draw(keys(), temperature)), expected / expected.sum(), atol=0.012)


def test_only_the_top_k_are_drawn() -> None:
    drawn = shares(draw(keys(), top_k=2))
    np.testing.assert_allclose(drawn, [0.625, 0.375, 0, 0], atol=0.012)


def test_a_draw_depends_on_the_key_and_the_step_and_on_nothing_else() -> None:
    all_at_once = draw(keys(count=50))
    one_by_one = np.concatenate([draw([key]) for key in keys(count=50)])
    np.testing.assert_array_equal(all_at_once, one_by_one)
    assert (draw(keys(count=200), step=4) != draw(keys(count=200))).any()
    assert (draw(keys(seed=1, count=200)) != draw(keys(count=200))).any()


def test_the_steps_of_a_query_are_independent() -> None:
    first, second = draw(keys(), step=1), draw(keys(), step=2)
    both = np.array([[((first == a) & (second == b)).mean() for b in range(4)] for a in range(4)])
    np.testing.assert_allclose(both, np.outer(PROBABILITIES, PROBABILITIES), atol=0.012)


def test_every_query_has_a_key_of_its_own() -> None:
    several = {
        sequence_key(seed, docid, language, ordinal)
        for seed in range(3)
        for docid in ("a", "a1", "1")
        for language in ("ar", "te")
        for ordinal in range(12)
    }
    assert len(several) == 3 * 3 * 2 * 12


def test_the_noise_follows_gumbels_law() -> None:
    noise = gumbel(np.arange(100_000, dtype=np.uint64)[:, None], 0, np.zeros((100_000, 1), np.uint64))
    assert abs(noise.mean() - 0.5772) < 0.02  # the Euler-Mascheroni constant
    assert abs(noise.std() - np.pi / 6**0.5) < 0.02


@pytest.mark.parametrize("bits", [0, 2**64 - 1])
def test_the_noise_is_finite_at_the_ends(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    monkeypatch.setattr(sampling, "_mixed", lambda _: np.full((1, 1), bits, np.uint64))
    assert np.isfinite(gumbel(np.zeros((1, 1), np.uint64), 0, np.zeros((1, 1), np.uint64))).all()
