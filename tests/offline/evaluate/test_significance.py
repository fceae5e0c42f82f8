"""Tests of significance, held against enumeration, SciPy and chance itself."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

from app.errors import ConfigurationError
from offline.evaluate.clusters import Clusters, unit_of
from offline.evaluate.dataset import Question
from offline.evaluate.report.model import MACRO, AskedQuestion, ComparedLanguage, System
from offline.evaluate.resampling import bootstrap_means, sign_flip_p
from offline.evaluate.significance import cluster_t, compare, holm


def system(name: str, scores: list[float | None]) -> System:
    return System(name=name, encoder="f", description="", alpha=0, scores={"R@1": scores}, means={})


def rows_of(
    a: Sequence[float | None],
    b: Sequence[float | None],
    langs: Sequence[str],
    seed: int = 0,
    units: Sequence[str] | None = None,
    resamples: int = 10_000,
) -> dict[str, ComparedLanguage]:
    """Without units, each question is its own."""
    units = [str(row) for row in range(len(a))] if units is None else units
    return compare(system("a", list(a)), system("b", list(b)), "R@1", langs, seed, units, resamples).rows


def clusters(*languages: Mapping[str, Sequence[float]]) -> Clusters:
    """Per language unit to the differences of its questions."""
    differences = [np.array([value for own in each.values() for value in own]) for each in languages]
    return Clusters.of(differences, [[unit for unit, own in each.items() for _ in own] for each in languages])


def alone(*languages: Sequence[float]) -> Clusters:
    """Each question its own unit."""
    return clusters(
        *({f"{lang} {row}": [value] for row, value in enumerate(own)} for lang, own in enumerate(languages))
    )


def enumerated_p(contributions: list[float]) -> float:
    """Every pattern of signs, in plain Python."""
    observed = abs(sum(contributions))
    patterns = list(itertools.product([1, -1], repeat=len(contributions)))
    far = [
        abs(sum(sign * value for sign, value in zip(pattern, contributions, strict=True))) > observed - 1e-12
        for pattern in patterns
    ]
    return sum(far) / len(patterns)


@pytest.mark.parametrize("count", range(1, 11))
def test_few_questions_are_tested_exactly(count: int) -> None:
    rng = np.random.default_rng(count)
    for differences in (rng.normal(0.5, 1, count), rng.integers(-2, 3, count) / 4):
        found = sign_flip_p(differences, rng, 10_000)
        assert found == pytest.approx(enumerated_p(differences.tolist()))


def test_many_questions_are_sampled_close_to_the_exact_value() -> None:
    rng = np.random.default_rng(1)
    differences = rng.normal(0.4, 1, 15)
    exact = enumerated_p(differences.tolist())
    assert 0.01 < exact < 0.5
    sampled = sign_flip_p(differences, rng, 10_000)
    assert sampled != exact
    assert sampled == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 10_000) ** 0.5)


def test_six_wins_and_nothing_else_come_by_chance_twice_in_64() -> None:
    [found, _] = rows_of([0.0] * 8, [1.0] * 6 + [0.0] * 2, ["fi"] * 8).values()
    assert found.p_permutation == 2 / 64
    assert (found.wins, found.ties, found.losses) == (6, 2, 0)
    assert found.verdict == "better"


def test_p_is_never_nought() -> None:
    assert sign_flip_p(np.ones(200), np.random.default_rng(0), 10_000) == 1 / 10_001


def test_differences_that_are_equal_but_for_rounding_tie() -> None:
    # in binary 0.3 - 0.2 and 0.2 - 0.1 differ in the last bits
    [found, _] = rows_of([0.2, 0.1], [0.3, 0.2], ["fi", "fi"]).values()
    assert (found.p_t, found.p_permutation) == (None, 0.5)


def test_holm_as_worked_by_hand() -> None:
    p = {"ar": 0.01, "bn": 0.04, "fi": 0.03, "ja": 0.005}
    # 4 * 0.005, 3 * 0.01, 2 * 0.03, and 1 * 0.04 that may not fall below the one before
    assert holm(p) == pytest.approx({"ja": 0.02, "ar": 0.03, "fi": 0.06, "bn": 0.06})
    assert holm({"ar": 0.6, "bn": 0.7}) == {"ar": 1, "bn": 1}
    assert holm({"ar": 0.04}) == {"ar": 0.04}


def test_t_of_one_language_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.random(30), rng.random(30)
    [found, macro] = rows_of(a.tolist(), b.tolist(), ["fi"] * 30).values()
    assert found.p_t == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert macro.p_t == pytest.approx(found.p_t)


def test_t_of_two_languages_is_welchs_of_one_against_the_other_negated_with_the_fewest_degrees_of_freedom() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.2, 1, 12), rng.normal(0.3, 3, 40)
    t = stats.ttest_ind(first, -second, equal_var=False).statistic
    assert cluster_t(alone(first, second)) == pytest.approx(2 * stats.t.sf(abs(t), 11))


def test_the_macro_row_weighs_languages_alike() -> None:
    rows = rows_of([0.0, 0.5, 0.5, 0.5], [1.0, 0.5, 0.5, 0.25], ["fi", "ar", "ar", "ar"])
    macro = rows[MACRO]
    assert list(rows) == ["ar", "fi", MACRO]
    assert (macro.mean_a, macro.questions) == (0.25, 4)
    assert macro.difference == pytest.approx((1 - 0.25 / 3) / 2)
    assert macro.mean_b - macro.mean_a == pytest.approx(macro.difference)
    assert (macro.wins, macro.ties, macro.losses) == (1, 2, 1)


def test_signs_of_the_macro_row_are_flipped_question_by_question_where_no_two_share_a_passage() -> None:
    arabic, finnish = [0.5, 0.25, -0.125, 0.75], [0.25, 1.0, -0.5]
    rows = rows_of([0.5] * 7, [0.5 + d for d in arabic + finnish], ["ar"] * 4 + ["fi"] * 3)
    weighted = [d / 4 / 2 for d in arabic] + [d / 3 / 2 for d in finnish]
    assert rows[MACRO].p_permutation == pytest.approx(enumerated_p(weighted))
    assert rows["ar"].p_permutation == pytest.approx(enumerated_p(arabic))
    assert rows[MACRO].p_holm is None


def test_the_interval_agrees_with_scipys_bootstrap() -> None:
    rng = np.random.default_rng(4)
    arabic, finnish = rng.normal(0.1, 1, 80), rng.normal(0, 2, 50)
    rows = rows_of([0.0] * 130, [*arabic, *finnish], ["ar"] * 80 + ["fi"] * 50)

    def macro(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return (x.mean(axis=axis) + y.mean(axis=axis)) / 2

    for samples, statistic, row in [
        ((arabic,), np.mean, rows["ar"]),
        ((arabic, finnish), macro, rows[MACRO]),
    ]:
        interval = stats.bootstrap(samples, statistic, method="percentile", rng=rng, batch=500).confidence_interval
        tolerance = (interval.high - interval.low) / 30
        assert (row.ci_low, row.ci_high) == pytest.approx((interval.low, interval.high), abs=tolerance)


def test_the_interval_holds_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        samples = bootstrap_means(alone(rng.choice([-1.0, 0.0, 1.0], 60, p=[0.1, 0.6, 0.3])), rng, 500)
        low, high = np.percentile(samples, [2.5, 97.5])
        held += low <= 0.2 <= high
    assert 0.90 < held / 400 < 0.98


def test_bootstrap_samples_spread_as_the_mean_does() -> None:
    rng = np.random.default_rng(6)
    differences = rng.random(500)
    samples = bootstrap_means(alone(differences), rng, 10_000)
    assert samples.shape == (10_000,)
    assert samples.mean() == pytest.approx(differences.mean(), abs=0.001)
    assert samples.std() == pytest.approx(differences.std() / 500**0.5, rel=0.03)


def test_where_there_is_no_effect_few_differences_are_shown() -> None:
    rng = np.random.default_rng(8)
    langs = [lang for lang in ("ar", "fi", "ko") for _ in range(30)]
    any_language = macro = 0
    for seed in range(300):
        a, b = rng.random(90), rng.random(90)
        rows = rows_of(a.tolist(), b.tolist(), langs, seed, resamples=400)
        macro += rows.pop(MACRO).verdict != "no difference shown"
        any_language += any(row.verdict != "no difference shown" for row in rows.values())
    # 5 % of 300 are 15, give or take 3.8; without Holm any_language would be near 43
    assert 4 <= macro <= 28
    assert 2 <= any_language <= 28


def test_an_effect_is_shown_in_its_direction() -> None:
    rng = np.random.default_rng(9)
    langs = [lang for lang in ("ar", "fi", "ko") for _ in range(200)]
    a = rng.random(600)
    b = a + rng.normal(0, 0.1, 600) + np.repeat([0.05, 0, -0.05], 200)
    rows = rows_of(a.tolist(), b.tolist(), langs)
    assert [row.verdict for row in rows.values()] == ["better", "no difference shown", "worse", "no difference shown"]
    assert rows["ar"].ci_low > 0 > rows["ko"].ci_high


def test_the_correction_decides_and_not_the_single_test() -> None:
    # six wins: p = 2/64 alone, 2 * 2/64 beside another language
    a, b = [0.0] * 12, [1.0] * 6 + [0.0] * 6
    rows = rows_of(a, b, ["ar"] * 6 + ["fi"] * 6)
    assert (rows["ar"].p_permutation, rows["ar"].p_holm) == (2 / 64, 4 / 64)
    assert rows["ar"].verdict == "no difference shown"
    assert rows[MACRO].verdict == "better"


def test_questions_without_a_score_in_either_system_are_left_out() -> None:
    rows = rows_of([None, 1.0, 0.0, None], [1.0, None, 1.0, None], ["fi", "fi", "fi", "te"])
    assert list(rows) == ["fi", MACRO]
    assert (rows["fi"].questions, rows["fi"].mean_a, rows["fi"].mean_b) == (1, 0, 1)
    assert rows_of([None], [1.0], ["fi"]) == {}


def test_a_seed_repeats_and_other_languages_change_nothing_but_the_correction() -> None:
    rng = np.random.default_rng(10)
    a, b = rng.random(60).tolist(), rng.random(60).tolist()
    langs = ["ar"] * 30 + ["fi"] * 30
    units = [str(row) for row in range(60)]
    both, alone = rows_of(a, b, langs, seed=3), rows_of(a[30:], b[30:], langs[30:], 3, units[30:])
    assert both == rows_of(a, b, langs, seed=3)
    assert both != rows_of(a, b, langs, seed=4)
    assert both["fi"].model_copy(update={"p_holm": alone["fi"].p_holm}) == alone["fi"]


def test_the_other_way_round_everything_is_mirrored() -> None:
    rng = np.random.default_rng(11)
    a, b = rng.random(50).tolist(), (rng.random(50) + 0.2).tolist()
    there, back = rows_of(a, b, ["ar"] * 50)["ar"], rows_of(b, a, ["ar"] * 50)["ar"]
    assert (there.wins, there.losses, there.p_permutation) == (back.losses, back.wins, back.p_permutation)
    assert (there.verdict, back.verdict) == ("better", "worse")
    assert (there.ci_low, there.ci_high) == pytest.approx((-back.ci_high, -back.ci_low))


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [
        ([0.5], [0.5], 1),
        ([0.0], [1.0], 1),
        ([0.3] * 50, [0.3] * 50, 1),
        ([0.25] * 50, [0.5] * 50, 1 / 10_001),
    ],
)
def test_differences_that_do_not_vary_have_no_t_but_all_the_rest(a: list[float], b: list[float], p: float) -> None:
    for found in rows_of(a, b, ["fi"] * len(a)).values():
        assert found.p_t is None
        assert found.p_permutation == p
        assert found.ci_low == found.ci_high == found.difference == b[0] - a[0]


def test_a_metric_that_was_not_scored_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="b was not scored by MRR@10; compare by one of R@1"):
        compare(
            system("a", [1.0]).model_copy(update={"scores": {"MRR@10": [1.0]}}),
            system("b", [1.0]),
            "MRR@10",
            ["fi"],
            seed=0,
            units=["0"],
        )


def test_a_question_goes_with_its_first_relevant_passage_or_stands_alone() -> None:
    assert unit_of(Question(id="q", lang="fi", text="", relevant={"p7": 1, "p2": 2})) == "p7"
    assert unit_of(AskedQuestion(id="q", lang="fi", text="", relevant={"p7": 1}, answers=[])) == "p7"
    assert unit_of(Question(id="q", lang="fi", text="", answers=("Turku",))) == "q"


def test_ten_questions_won_about_three_passages_are_three_wins() -> None:
    b = [1.0] * 10 + [0.0] * 10
    units = [*("xxxxyyyzzz"), *map(str, range(10))]
    rows = rows_of([0.0] * 20, b, ["fi"] * 20, units=units)
    assert rows["fi"].p_permutation == rows[MACRO].p_permutation == 2 / 2**3
    assert rows["fi"].verdict == "no difference shown"
    assert (rows["fi"].questions, rows["fi"].wins) == (20, 10)
    by_question = rows_of([0.0] * 20, b, ["fi"] * 20)["fi"]
    assert by_question.p_permutation == 2 / 2**10
    assert by_question.verdict == "better"
    assert rows["fi"].ci_low < by_question.ci_low


def test_a_passage_has_one_sign_in_all_languages() -> None:
    arabic = {"x": [0.5, 0.25], "y": [-0.125], "z": [0.75]}
    finnish = {"y": [1.0, 0.5], "z": [-0.5], "w": [0.25]}
    asked = [
        (lang, unit, value)
        for lang, own in (("ar", arabic), ("fi", finnish))
        for unit, values in own.items()
        for value in values
    ]
    rows = rows_of(
        [0.5] * 8, [0.5 + d for *_, d in asked], [lang for lang, *_ in asked], units=[u for _, u, _ in asked]
    )
    assert rows["ar"].p_permutation == pytest.approx(enumerated_p([0.75, -0.125, 0.75]))
    assert rows["fi"].p_permutation == pytest.approx(enumerated_p([1.5, -0.5, 0.25]))
    # four questions each: x, y, z and w
    assert rows[MACRO].p_permutation == pytest.approx(enumerated_p([0.75, -0.125 + 1.5, 0.75 - 0.5, 0.25]))


def test_differences_that_cancel_in_a_passage_are_a_tie() -> None:
    # 0.1 + 0.2 - 0.3 is 6e-17, four times in the same direction
    found = clusters({unit: [0.1, 0.2, -0.3] for unit in "wxyz"})
    assert sign_flip_p(found.contributions, np.random.default_rng(0), 100) == 1
    assert cluster_t(found) is None


def test_passages_are_drawn_with_all_their_questions_in_all_languages() -> None:
    arabic = {"x": [1.0, 0.0, 0.5], "y": [0.25], "z": [-1.0, 0.0]}
    finnish = {"x": [0.75], "w": [-0.5, 0.0, 1.0, 1.0]}
    samples = bootstrap_means(clusters(arabic, finnish), np.random.default_rng(12), 50_000)
    expected = []
    for drawn in itertools.product("wxyz", repeat=4):
        pooled = [[value for unit in drawn for value in own.get(unit, [])] for own in (arabic, finnish)]
        expected.append(np.mean([np.mean(each) for each in pooled if each]))
    found, found_counts = np.unique(samples.round(9), return_counts=True)
    means, counts = np.unique(np.round(expected, 9), return_counts=True)
    assert found.tolist() == means.tolist()
    # each of 4**4 draws as often as any other
    assert found_counts / 50_000 == pytest.approx(counts / 4**4, abs=0.01)


def test_the_interval_of_a_language_is_that_of_a_ratio_of_sums() -> None:
    rng = np.random.default_rng(13)
    sizes = rng.integers(1, 9, 60)
    own = [rng.normal(rng.normal(0.2, 1), 0.3, size) for size in sizes]
    low, high = np.percentile(
        bootstrap_means(clusters({str(unit): each.tolist() for unit, each in enumerate(own)}), rng, 10_000), [2.5, 97.5]
    )
    drawn = rng.integers(60, size=(10_000, 60))
    expected = np.percentile([np.concatenate([own[unit] for unit in row]).mean() for row in drawn], [2.5, 97.5])
    assert (low, high) == pytest.approx(tuple(expected), abs=(high - low) / 25)


def test_t_with_passages_of_one_size_is_that_of_their_means() -> None:
    rng = np.random.default_rng(14)
    own = rng.normal(0.3, 1, (12, 5))
    found = cluster_t(clusters({str(unit): each.tolist() for unit, each in enumerate(own)}))
    assert found == pytest.approx(stats.ttest_1samp(own.mean(axis=1), 0).pvalue)


def test_where_passages_alone_differ_few_differences_are_shown() -> None:
    """Three languages ask eight questions about each of thirty passages, whose luck they share."""
    rng = np.random.default_rng(15)
    langs = [lang for lang in ("ar", "fi", "ko") for _ in range(240)]
    units = [str(unit) for _ in range(3) for unit in range(30) for _ in range(8)]
    zeros, shown, outside, by_t, by_question = [0.0] * 720, 0, 0, 0, 0
    for seed in range(200):
        luck = np.tile(np.repeat(rng.normal(0, 1, 30), 8), 3)
        b = (luck + rng.normal(0, 1, 720)).tolist()
        macro = rows_of(zeros, b, langs, seed, units, resamples=200)[MACRO]
        assert macro.p_t is not None
        shown += macro.verdict != "no difference shown"
        outside += not macro.ci_low <= 0 <= macro.ci_high
        by_t += macro.p_t < 0.05
        by_question += rows_of(zeros, b, langs, seed, resamples=200)[MACRO].verdict != "no difference shown"
    # 5 % of 200 are 10, give or take 3; a percentile interval of thirty is a little too short
    assert 2 <= shown <= 20
    assert 2 <= by_t <= 20
    assert 2 <= outside <= 26
    assert by_question > 100


def test_of_one_language_the_macro_row_is_that_language() -> None:
    rng = np.random.default_rng(16)
    a, b = rng.random(40).tolist(), rng.random(40).tolist()
    [found, macro] = rows_of(a, b, ["fi"] * 40, units=[str(row // 2) for row in range(40)]).values()
    assert macro == found.model_copy(update={"p_holm": None})


def test_the_order_of_questions_and_names_of_passages_elsewhere_change_nothing() -> None:
    rng = np.random.default_rng(17)
    a, b = rng.integers(0, 2, 60).astype(float).tolist(), rng.integers(0, 2, 60).astype(float).tolist()
    langs, units = ["ar"] * 30 + ["fi"] * 30, [str(row % 30 // 3) for row in range(60)]
    rows = rows_of(a, b, langs, seed=3, units=units)
    assert rows == rows_of(a, b, langs, seed=3, units=units)
    assert rows == rows_of(a[::-1], b[::-1], langs[::-1], seed=3, units=units[::-1])
    only = rows_of(a[30:], b[30:], langs[30:], seed=3, units=units[30:])["fi"]
    assert rows["fi"].model_copy(update={"p_holm": only.p_holm, "verdict": only.verdict}) == only
