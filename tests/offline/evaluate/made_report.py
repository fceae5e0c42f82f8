"""A report with something in every field: numbers are made up, questions are the languages' examples."""

import math

from app.languages import CODES, LANGUAGES
from offline.evaluate import plots
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.model import (
    MACRO,
    AskedQuestion,
    ChangedQuestion,
    ComparedLanguage,
    Comparison,
    DatasetFacts,
    NearText,
    Plot,
    Report,
    RetrievedPassage,
    Study,
    System,
    Table,
    Verdict,
)

BEFORE, AFTER = "multilingual-e5-small", "multilingual-e5-small + xQG"
FINGERPRINT = "5f0c2d9a41b7e86355f0c2d9a41b7e86355f0c2d9a41b7e86355f0c2d9a41b7e8"
# language: questions, mean before and after, interval, p of t, permutation and Holm, wins, ties, losses, verdict
_ROWS: dict[str, tuple[int, float, float, float, float, float | None, float, float | None, int, int, int, Verdict]] = {
    "ar": (148, 0.5203, 0.6081, 0.0338, 0.1419, 0.0019, 0.0018, 0.0072, 19, 123, 6, "better"),
    "bn": (136, 0.4412, 0.5368, 0.0368, 0.1544, 0.00004, 0.00003, 0.00018, 20, 109, 7, "better"),
    "fi": (151, 0.6490, 0.6556, -0.0331, 0.0464, 0.7413, 0.8642, 1.0, 9, 134, 8, "no difference shown"),
    "ja": (122, 0.5246, 0.5902, 0.0082, 0.1311, 0.0323, 0.0412, 0.1236, 13, 104, 5, "no difference shown"),
    "ko": (130, 0.5077, 0.4308, -0.1308, -0.0231, 0.0046, 0.0052, 0.0156, 3, 114, 13, "worse"),
    "ru": (149, 0.5638, 0.5638, 0.0, 0.0, None, 1.0, 1.0, 0, 149, 0, "no difference shown"),
    "te": (132, 0.3030, 0.5227, 0.1439, 0.2955, 0.0, 0.0, 0.0, 31, 99, 2, "better"),
    MACRO: (968, 0.5014, 0.5583, 0.0341, 0.0798, 0.0, 0.0, None, 95, 832, 41, "better"),
}
_TITLES = (
    "Mona Lisa",
    "Agra",
    "Valentina Tereshkova",
    "Panama Canal",
    "Metallica",
    "Golden Gate Bridge",
    "Eiffel Tower",
)
_TEXTS = (
    "The Mona Lisa is a portrait that Leonardo da Vinci painted in Italy early in the sixteenth century.",
    "Agra lies on the bank of the Yamuna, some two hundred kilometres south of Delhi.",
    "Valentina Tereshkova flew alone around the Earth in June 1963, as the first woman in space.",
    "The Panama Canal joins the Atlantic and the Pacific, so that ships need not round Cape Horn.",
    "Metallica is a heavy metal band that was formed in Los Angeles in 1981.",
    "The Golden Gate Bridge spans the strait of that name, where San Francisco Bay meets the ocean.",
    "The Eiffel Tower stands on the Champ de Mars in Paris, and was the tallest building of its day.",
)
_ALPHAS = (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def made_comparison(metric: str = "R@1") -> Comparison:
    fields = ("questions", "mean_a", "mean_b", "ci_low", "ci_high", "p_t", "p_permutation", "p_holm")
    fields += ("wins", "ties", "losses", "verdict")
    rows = {
        code: ComparedLanguage.model_validate(
            dict(zip(fields, values, strict=True)) | {"difference": values[2] - values[1]}
        )
        for code, values in _ROWS.items()
    }
    return Comparison(a=BEFORE, b=AFTER, metric=metric, rows=rows)


def made_report() -> Report:
    questions = [
        AskedQuestion(id=f"q-{lang.code}", lang=lang.code, text=lang.example, relevant={title: 1}, answers=[title])
        for lang, title in zip(LANGUAGES, _TITLES, strict=True)
    ]
    top = [[RetrievedPassage(docid=title, score=0.8731)] for title in _TITLES]
    systems = [
        System(
            name=name,
            encoder=FINGERPRINT,
            description=description,
            alpha=alpha,
            scores={"R@1": [1.0, 0.0, 1.0, None, 0.0, 0.5, 1.0]},
            means={"R@1": {code: row[place] for code, row in _ROWS.items()}, "MRR": {"fi": math.nan, MACRO: 0.619}},
            top=top,
        )
        for name, description, alpha, place in (
            (BEFORE, "passages alone", 0.0, 1),
            (AFTER, "alpha 0.05, 14 queries of 7 languages per passage", 0.05, 2),
        )
    ]
    return Report(
        created_at="2026-11-22T08:00:00Z",
        command=["python", "-m", "offline", "evaluate", "compare", "--dataset", "vital:my data", "--alpha", "0.05"],
        versions={"python": "3.11.9", "numpy": "2.1.0", "platform": "Linux-x86_64"},
        seed=13,
        dataset=DatasetFacts(
            name="vital",
            files={"corpus.jsonl": "0f" * 32, "questions.jsonl": "a1" * 32},
            passages=1440,
            questions={code: row[0] for code, row in _ROWS.items() if code != MACRO},
            augmentations={"queries": dict.fromkeys(CODES, 2880), "translations": {"ar": 240, "ru": 240}},
            notes={"questions without a passage here": 3},
        ),
        encoders={BEFORE: FINGERPRINT},
        metrics=["R@1", "MRR"],
        questions=questions,
        systems=systems,
        studies=[_compare(questions), _alpha(), _languages()],
    )


def draw_all() -> dict[str, Drawing]:
    """A plot of every kind."""
    percent = {code: (100 * row[1], 100 * row[2]) for code, row in _ROWS.items()}
    over_alpha = {
        code: [before + (after - before) * 2.2 * math.sqrt(a) / (0.5 + 3 * a) for a in _ALPHAS]
        for code, (before, after) in percent.items()
    }
    signed = {code: (100 * (row[2] - row[1]), 100 * row[3], 100 * row[4]) for code, row in _ROWS.items()}
    gains = [[6 * math.cos(asked - fused) - 0.7 * asked for fused in range(8)] for asked in range(7)]
    gains[6][2] = math.nan
    return {
        "compare-scores.svg": plots.paired_bars(
            "R@1 without and with xQG",
            "R@1, %",
            list(percent),
            {
                "without xQG": [before for before, _ in percent.values()],
                "with xQG": [after for _, after in percent.values()],
            },
            intervals={"with xQG": [(after - 4, after + 4) for _, after in percent.values()]},
        ),
        "compare-differences.svg": plots.forest(
            "What xQG does to R@1", "difference of R@1, percentage points, 95% CI", signed
        ),
        "alpha.svg": plots.lines(
            "R@1 over α",
            "α, the weight of the queries",
            "R@1, %",
            _ALPHAS,
            over_alpha,
            baseline={MACRO: percent[MACRO][0]},
            x_scale="symlog",
            marked_x=0.05,
        ),
        "languages.svg": plots.heatmap(
            "Which queries help whom",
            [*CODES, "all"],
            CODES,
            gains,
            "difference of R@1 to no fusion, percentage points",
            x_label="language fused",
            y_label="language asked",
        ),
    }


def _compare(questions: list[AskedQuestion]) -> Study:
    changed = [
        ChangedQuestion(
            question=question.id,
            change="lost" if question.lang == "ko" else "gained",
            rank_a=None if question.lang == "te" else 14,
            rank_b=3 if question.lang != "ko" else 27,
            docid=title,
            title=title,
            text=text,
            nearest=[
                NearText(lang=question.lang, text=question.text, score=0.934),
                NearText(lang="fi", text=f"Mistä kertoo artikkeli {title}?", score=0.871),
            ],
        )
        for question, title, text in zip(questions, _TITLES, _TEXTS, strict=True)
    ]
    return Study(
        name="compare",
        title="With and without xQG",
        summary="The same questions were searched in the passages as they are and with generated queries fused in. "
        "Encoder, passages and questions held still.",
        plots=[
            Plot(
                title="R@1 by language",
                alt="Bars of R@1 per language without and with xQG.",
                file="compare-scores.svg",
            ),
            Plot(
                title="Differences of R@1",
                alt="Differences per language with their intervals; only Korean lies left of 0.",
                file="compare-differences.svg",
            ),
        ],
        comparisons=[made_comparison(), made_comparison("MRR")],
        changed=changed,
    )


def _alpha() -> Study:
    return Study(
        name="alpha",
        title="The weight of the queries",
        summary="α was varied, all else held still.",
        tables=[
            Table(
                title="R@1 over α, percent",
                columns=["α", *CODES],
                rows=[[f"{alpha:g}", *(f"{50 + alpha + place:.1f}" for place in range(7))] for alpha in _ALPHAS],
                note="α = 0 is retrieval without xQG.",
            )
        ],
        plots=[Plot(title="R@1 over α", alt="A line a language, highest near α = 0.1.", file="alpha.svg")],
    )


def _languages() -> Study:
    return Study(
        name="languages",
        title="Which languages help which",
        summary="The queries of one language were fused at a time.",
        plots=[
            Plot(title="Gain by language", alt="Each language gains most from its own queries.", file="languages.svg")
        ],
    )
