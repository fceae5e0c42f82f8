"""Types of the fields of a request, each as strict as the OpenAPI document says."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from app.unicode import is_unicode

# Something to see: no blanks, controls, or marks that only steer the layout.  Spelled out, since
# engines of regular expressions do not agree on what \s is, and callers check by this pattern too.
_VISIBLE = r"[^\u0000-\u0020\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"


def _unicode(text: str) -> str:
    if not is_unicode(text):
        raise ValueError("holds half of a surrogate pair, which is no text")
    return text


def _askable(text: str) -> str:
    if not re.search(_VISIBLE, text):
        raise ValueError("is blank; ask something")
    return text


def _without_fraction(number: Any) -> Any:
    """10.0 is an integer to JSON, though not to Python."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _spelled(word: Any) -> Any:
    """A boolean as JSON spells it, and in no other of the ways that pydantic would take."""
    if isinstance(word, str) and word not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return word


Docid = Annotated[str, AfterValidator(_unicode)]
QueryText = Annotated[
    str,
    AfterValidator(_unicode),
    AfterValidator(_askable),
    Field(json_schema_extra={"minLength": 1, "pattern": _VISIBLE}),
]
WholeNumber = Annotated[int, BeforeValidator(_without_fraction)]
SpelledBool = Annotated[bool, BeforeValidator(_spelled)]
LanguageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", max_length=35)]
