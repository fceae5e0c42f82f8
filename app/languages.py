"""The seven query languages of xQG: those of XOR-TyDi QA."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """A query language: ISO 639-1 code, English name for prompts, ISO 15924 script."""

    code: str
    name: str
    script: str
    right_to_left: bool = False


LANGUAGES: tuple[Language, ...] = (
    Language("ar", "Arabic", "Arab", right_to_left=True),
    Language("bn", "Bengali", "Beng"),
    Language("fi", "Finnish", "Latn"),
    Language("ja", "Japanese", "Jpan"),
    Language("ko", "Korean", "Kore"),
    Language("ru", "Russian", "Cyrl"),
    Language("te", "Telugu", "Telu"),
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
