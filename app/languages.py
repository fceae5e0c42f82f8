"""The seven query languages of xQG: those of XOR-TyDi QA."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """A query language: ISO 639-1 code, English name for prompts, ISO 15924 script.

    ``example`` is a question that the demo's passages answer, for docs pages and tours.
    """

    code: str
    name: str
    script: str
    example: str


LANGUAGES: tuple[Language, ...] = (
    Language("ar", "Arabic", "Arab", "من رسم لوحة الموناليزا؟"),
    Language("bn", "Bengali", "Beng", "আগ্রা শহরটি কোন নদীর তীরে অবস্থিত?"),
    Language("fi", "Finnish", "Latn", "Kuka oli ensimmäinen nainen avaruudessa?"),
    Language("ja", "Japanese", "Jpan", "パナマ運河はどの二つの海を結んでいますか？"),
    Language("ko", "Korean", "Kore", "메탈리카는 어떤 장르의 음악을 연주하는 밴드인가요?"),
    Language("ru", "Russian", "Cyrl", "Через какой пролив перекинут мост «Золотые Ворота»?"),
    Language("te", "Telugu", "Telu", "ఈఫిల్ టవర్ ఎక్కడ ఉంది?"),
)
CODES: tuple[str, ...] = tuple(language.code for language in LANGUAGES)


def normalise_tag(tag: str) -> str:
    """Clean a language tag as found in the wild (``" ar"``, ``"TE"``).

    Raises:
        ValueError: the tag is none of the seven languages.
    """
    code = tag.strip().lower()
    if code not in CODES:
        raise ValueError(f"unknown language tag {tag!r}, known are {', '.join(CODES)}")
    return code


_RANGES = {
    "ar": "\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff",
    "bn": "\u0980-\u09ff",
    "ja": "\u3041-\u30ff\uff66-\uff9f",  # kana; the signs of Chinese origin are not Japanese alone
    "ko": "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3",
    "ru": "\u0400-\u052f",
    "te": "\u0c00-\u0c7f",
}
_TELLING = re.compile(f"[{''.join(_RANGES.values())}]")
_SCRIPTS = {code: re.compile(f"[{letters}]") for code, letters in _RANGES.items()}
_READ_CHARS = 200

OTHER, UNKNOWN = "other", "unknown"
LABELS: tuple[str, ...] = (*CODES, OTHER, UNKNOWN)
"""Every answer of ``language_label``."""


def language_label(tag: str | None, text: str) -> str:
    """The language that a query is counted under: one of ``LABELS``.

    The caller's tag decides where there is one; a language beyond the seven is ``other``.  Without
    a tag the script of the first letter that tells does, so Persian counts as Arabic and Ukrainian
    as Russian.  Latin letters tell nothing (Finnish or English?), and are ``unknown``.
    """
    if tag:
        code = re.split("[-_]", tag, maxsplit=1)[0].lower()
        return code if code in CODES else OTHER
    letter = _TELLING.search(text, 0, _READ_CHARS)
    if letter is None:
        return UNKNOWN
    return next(code for code, script in _SCRIPTS.items() if script.match(letter[0]))
