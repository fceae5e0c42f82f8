"""Whether system b is better than system a: paired tests per language and over all of them.

Questions about one passage share its vector, so they win or lose together; taken for independent,
fifteen of them find differences that are not there.  All tests therefore go by unit: a passage
with all its questions, or a question alone where its passage is not known.

- Paired t test, as in the xQG paper (Zhuang, Shou and Zuccon, SIGIR 2023), with errors clustered by
  unit: the very same test where every unit has one question.
- Paired sign-flip permutation test, which assumes no distribution: it decides.
- Holm's correction (1979) over the languages: without it, seven tests at 0.05
  find a difference where there is none in three reports of ten.
- 95 % percentile bootstrap over units.  BCa would correct for skew, which the mean of a
  hundred questions hardly has, but it is not defined where all differences are equal.

``macro`` averages over languages, each counting the same, however many questions it has.  A passage
may be asked about in several of them: it is drawn, and its sign flipped, for all at once.  So the
row says what would come out with other passages and their questions, not with other languages.  Of
one language it is that language's row.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from app.errors import ConfigurationError
from offline.evaluate.clusters import Clusters, Floats
from offline.evaluate.report.model import MACRO, ComparedLanguage, Comparison, System, Verdict
from offline.evaluate.resampling import bootstrap_means, sign_flip_p

LEVEL = 0.05
RESAMPLES = 10_000


def compare(
    a: System,
    b: System,
    metric: str,
    langs: Sequence[str],
    seed: int,
    units: Sequence[str],
    resamples: int = RESAMPLES,
) -> Comparison:
    """System b against system a on the questions that both have a score for.

    Args:
        a: the baseline.
        b: what may be better.
        metric: a key of both systems' ``scores``.
        langs: language of each question.
        seed: 0 or more; the same seed gives the same numbers, whichever languages are beside.
        units: what each question is drawn with (``clusters.unit_of``); languages may share units.
        resamples: sign patterns and bootstrap samples per language.

    Returns:
        A row per language with a question to compare, sorted, then ``macro``; no rows where there
        is none.

    Raises:
        ConfigurationError: a system was not scored by that metric.
    """
    pairs = _pairs(_scores(a, metric), _scores(b, metric), langs, units)
    if not pairs:
        return Comparison(a=a.name, b=b.name, metric=metric, rows={})
    each = {lang: _row([paired], _rng(seed, lang), resamples) for lang, paired in pairs.items()}
    whole = next(iter(each.values())) if len(each) == 1 else _row([*pairs.values()], _rng(seed, MACRO), resamples)
    corrected = holm({lang: row.p_permutation for lang, row in each.items()})
    rows = {
        lang: row.model_copy(update={"p_holm": corrected[lang], "verdict": verdict_of(row.difference, corrected[lang])})
        for lang, row in each.items()
    }
    return Comparison(a=a.name, b=b.name, metric=metric, rows=rows | {MACRO: whole})


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


def cluster_t(clusters: Clusters) -> float | None:
    """Two-sided p of a t test that the mean of the languages' means is 0.

    The variance is the sum over units of squared residuals (Liang and Zeger 1986), a language's by
    n / (n - 1) of its n units (Cameron and Miller 2015).  Degrees of freedom are one less than the
    units of the language with fewest: Welch's would be more, but are not defined where languages
    share units.  Of one language with a question a unit, this is the paired t test.

    Returns:
        None where a language has one unit, or the units do not vary.
    """
    units = np.count_nonzero(clusters.counts, axis=1)
    if units.min() < 2:
        return None
    scale = np.sqrt(units / (units - 1)) / clusters.sizes
    spread = (clusters.residuals.T * scale).mean(axis=1)
    if not spread.any():
        return None
    t = clusters.contributions.sum() / np.sqrt((spread**2).sum())
    return float(2 * stdtr(units.min() - 1, -abs(t)))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Questions of one language that both systems have a score for."""

    a: list[float]
    b: list[float]
    units: list[str]

    @property
    def differences(self) -> Floats:
        # 0.3 - 0.2 and 0.2 - 0.1 are the same difference, though not to the last bit
        return np.asarray(np.round(np.subtract(self.b, self.a), 12), np.float64)


def _scores(system: System, metric: str) -> list[float | None]:
    if metric not in system.scores:
        known = ", ".join(system.scores)
        raise ConfigurationError(f"{system.name} was not scored by {metric}; compare by one of {known}")
    return system.scores[metric]


def _pairs(
    a: Sequence[float | None], b: Sequence[float | None], langs: Sequence[str], units: Sequence[str]
) -> dict[str, _Pairs]:
    """By language, sorted; questions without both scores are left out."""
    by_lang: dict[str, _Pairs] = {}
    for score_a, score_b, lang, unit in zip(a, b, langs, units, strict=True):
        if score_a is not None and score_b is not None:
            paired = by_lang.setdefault(lang, _Pairs([], [], []))
            paired.a.append(score_a)
            paired.b.append(score_b)
            paired.units.append(unit)
    return {lang: by_lang[lang] for lang in sorted(by_lang)}


def _rng(seed: int, lang: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(lang.encode())])


def _row(strata: Sequence[_Pairs], rng: np.random.Generator, resamples: int) -> ComparedLanguage:
    """One language, or the average over several; nothing is corrected for others."""
    differences = [paired.differences for paired in strata]
    clusters = Clusters.of(differences, [paired.units for paired in strata])
    difference = float(np.mean([found.mean() for found in differences]))
    low, high = np.percentile(bootstrap_means(clusters, rng, resamples), [2.5, 97.5])
    p = sign_flip_p(clusters.contributions, rng, resamples)
    everything = np.concatenate(differences)
    return ComparedLanguage(
        questions=len(everything),
        mean_a=float(np.mean([np.mean(paired.a) for paired in strata])),
        mean_b=float(np.mean([np.mean(paired.b) for paired in strata])),
        difference=difference,
        ci_low=float(low),
        ci_high=float(high),
        p_t=cluster_t(clusters),
        p_permutation=p,
        p_holm=None,
        wins=int(np.count_nonzero(everything > 0)),
        ties=int(np.count_nonzero(everything == 0)),
        losses=int(np.count_nonzero(everything < 0)),
        verdict=verdict_of(difference, p),
    )
