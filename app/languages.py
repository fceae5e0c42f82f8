"""The seven query languages of xQG: those of XOR-TyDi QA."""

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
