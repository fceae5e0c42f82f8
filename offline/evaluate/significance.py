"""Whether system b is better than system a: paired tests per language and over all of them.

- Paired t test, as in the xQG paper (Zhuang, Shou and Zuccon, SIGIR 2023).
- Paired sign-flip permutation test, which assumes no distribution: it decides.
- Holm's correction (1979) over the languages: without it, seven tests at 0.05
  find a difference where there is none in three reports of ten.
- 95 % percentile bootstrap over questions.  BCa would correct for skew, which the mean of a
  hundred questions hardly has, but it is not defined where all differences are equal.

``macro`` averages over languages, each counting the same, however many questions it has.  Signs
are flipped and questions drawn within each language, so it says what would come out with other
questions, not with other languages.
"""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtr

from app.errors import ConfigurationError
from offline.evaluate.report.model import MACRO, ComparedLanguage, Comparison, System, Verdict
from offline.evaluate.resampling import Floats, bootstrap_means, sign_flip_p

LEVEL = 0.05
RESAMPLES = 10_000


def compare(
    a: System, b: System, metric: str, langs: Sequence[str], seed: int, resamples: int = RESAMPLES
) -> Comparison:
    """System b against system a on the questions that both have a score for.

    Args:
        a: the baseline.
        b: what may be better.
        metric: a key of both systems' ``scores``.
        langs: language of each question.
        seed: 0 or more; the same seed gives the same numbers, whichever languages are beside.
        resamples: sign patterns and bootstrap samples per language.

    Returns:
        A row per language with a question to compare, sorted, then ``macro``; no rows where there
        is none.

    Raises:
        ConfigurationError: a system was not scored by that metric.
    """
    pairs = _pairs(_scores(a, metric), _scores(b, metric), langs)
    if not pairs:
        return Comparison(a=a.name, b=b.name, metric=metric, rows={})
    differences = {lang: _differences(scores) for lang, scores in pairs.items()}
    rngs = {lang: np.random.default_rng([seed, zlib.crc32(lang.encode())]) for lang in (*pairs, MACRO)}
    samples = {lang: bootstrap_means(differences[lang], rngs[lang], resamples) for lang in pairs}
    p = {lang: sign_flip_p(found / len(found), rngs[lang], resamples) for lang, found in differences.items()}
    corrected = holm(p)
    rows = {lang: _row([pairs[lang]], samples[lang], p[lang], corrected[lang]) for lang in pairs}
    weighted = np.concatenate([found / (len(found) * len(pairs)) for found in differences.values()])
    rows[MACRO] = _row(
        list(pairs.values()),
        np.mean(list(samples.values()), axis=0),
        sign_flip_p(weighted, rngs[MACRO], resamples),
        None,
    )
    return Comparison(a=a.name, b=b.name, metric=metric, rows=rows)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values after Holm's step-down correction: the smallest times n, the next times n - 1, and so on.

    None falls below the one before it, nor exceeds 1.
    """
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p, key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = highest
    return corrected


def verdict_of(difference: float, p: float) -> Verdict:
    """What may be said of a difference by its corrected p."""
    if p >= LEVEL:
        return "no difference shown"
    return "better" if difference > 0 else "worse"


def stratified_t(strata: Sequence[Floats]) -> float | None:
    """Two-sided p of a t test that the mean of the strata's means is 0.

    With one stratum of differences this is the paired t test.  With several, the variance is the
    sum of s² / n over the squared number of strata, with Welch and Satterthwaite's degrees of
    freedom.

    Args:
        strata: differences, float64 [questions] each.

    Returns:
        None where a stratum has one question, or in none of them do the differences vary.
    """
    sizes = np.array([len(stratum) for stratum in strata])
    if sizes.min() < 2:
        return None
    variances = np.array([stratum.var(ddof=1) for stratum in strata]) / sizes
    if not variances.any():
        return None
    mean = np.mean([stratum.mean() for stratum in strata])
    t = mean / (np.sqrt(variances.sum()) / len(strata))
    freedom = variances.sum() ** 2 / (variances**2 / (sizes - 1)).sum()
    return float(2 * stdtr(freedom, -abs(t)))


def _scores(system: System, metric: str) -> list[float | None]:
    if metric not in system.scores:
        known = ", ".join(system.scores)
        raise ConfigurationError(f"{system.name} was not scored by {metric}; compare by one of {known}")
    return system.scores[metric]


def _pairs(a: Sequence[float | None], b: Sequence[float | None], langs: Sequence[str]) -> dict[str, Floats]:
    """Language, sorted, to scores of a and b, float64 [2, questions]; questions without both are left out."""
    by_lang: dict[str, list[tuple[float, float]]] = {}
    for score_a, score_b, lang in zip(a, b, langs, strict=True):
        if score_a is not None and score_b is not None:
            by_lang.setdefault(lang, []).append((score_a, score_b))
    return {lang: np.array(by_lang[lang], np.float64).T for lang in sorted(by_lang)}


def _differences(scores: Floats) -> Floats:
    # 0.3 - 0.2 and 0.2 - 0.1 are the same difference, though not to the last bit
    return np.asarray(np.round(scores[1] - scores[0], 12), np.float64)


def _row(strata: Sequence[Floats], samples: Floats, p: float, corrected: float | None) -> ComparedLanguage:
    differences = [_differences(scores) for scores in strata]
    difference = float(np.mean([found.mean() for found in differences]))
    low, high = np.percentile(samples, [2.5, 97.5])
    everything = np.concatenate(differences)
    return ComparedLanguage(
        questions=len(everything),
        mean_a=float(np.mean([scores[0].mean() for scores in strata])),
        mean_b=float(np.mean([scores[1].mean() for scores in strata])),
        difference=difference,
        ci_low=float(low),
        ci_high=float(high),
        p_t=stratified_t(differences),
        p_permutation=p,
        p_holm=corrected,
        wins=int(np.count_nonzero(everything > 0)),
        ties=int(np.count_nonzero(everything == 0)),
        losses=int(np.count_nonzero(everything < 0)),
        verdict=verdict_of(difference, p if corrected is None else corrected),
    )
