"""What is harmless in the texts and names of real files, mended and counted."""

from collections import Counter

_BYTE_ORDER_MARK = "\ufeff"


def cleaned(text: str, notes: Counter[str]) -> str:
    """The text without byte order marks (XQuAD's Arabic contexts hold some inside) and spaces around it."""
    unmarked = text.replace(_BYTE_ORDER_MARK, "")
    trimmed = unmarked.strip()
    notes["texts with byte order marks, removed"] += unmarked != text
    notes["texts with spaces around them, trimmed"] += trimmed != unmarked
    return trimmed


def cleaned_tag(tag: str, notes: Counter[str]) -> str:
    """A language tag of any language, such as the ``" ar"`` of XOR-TyDi's real files."""
    code = tag.strip().lower()
    notes["language tags of questions with stray spaces or capitals"] += code != tag
    return code
