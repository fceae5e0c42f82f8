"""Filters over metadata: parsed and validated once, translated by each engine.

``{"topic": "Arts"}`` equals, ``{"topic": ["Arts", "History"]}`` any of,
``{"year": {"gte": 1900, "lt": 2000}}`` range, ``{"topic": {"not": "Arts"}}`` none of.
All conditions must hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import InvalidRequest
from app.index.contract import FieldType
from app.unicode import is_unicode

_PYTHON_TYPES: dict[FieldType, tuple[type, ...]] = {
    "keyword": (str,),
    "integer": (int,),
    "float": (int, float),
    "bool": (bool,),
}
MAX_VALUES = 1_000
_BOUNDS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, slots=True)
class Condition:
    """One field's condition: a value among ``any_of``, or a number within ``bounds``."""

    field: str
    any_of: tuple[str | int | bool, ...] = ()
    bounds: Mapping[str, float] | None = None
    negated: bool = False


def parse_filter(raw: Mapping[str, Any], fields: Mapping[str, FieldType]) -> list[Condition]:
    """Turn the request's ``filter`` into conditions.

    Raises:
        InvalidRequest: an unknown field (the known ones are listed), or a value that does not
            fit the field's type.
    """
    conditions = []
    for field, wanted in raw.items():
        if field not in fields:
            known = ", ".join(sorted(fields)) or "none, the index was loaded without --filter-field"
            raise InvalidRequest(f"filter: unknown field {field!r}; known are: {known}")
        conditions.append(_condition(field, fields[field], wanted))
    return conditions


def _condition(field: str, kind: FieldType, wanted: Any) -> Condition:
    negated = False
    while isinstance(wanted, Mapping) and set(wanted) == {"not"}:  # in a loop: callers may nest thousands
        wanted, negated = wanted["not"], not negated
    if isinstance(wanted, Mapping):
        if kind not in ("integer", "float") or not wanted or set(wanted) - set(_BOUNDS):
            raise InvalidRequest(f"filter: {field} is a {kind} field; a range takes {', '.join(_BOUNDS)} on numbers")
        bounds = {bound: _checked(field, kind, value) for bound, value in wanted.items()}
        return Condition(field, bounds=bounds, negated=negated)
    values = wanted if isinstance(wanted, list) else [wanted]
    if len(values) > MAX_VALUES:
        raise InvalidRequest(f"filter: {field} has {len(values):,} values; name at most {MAX_VALUES:,}")
    if not values:
        raise InvalidRequest(f"filter: {field} has an empty list; name at least one value")
    checked = tuple(_checked(field, kind, value) for value in values)
    if kind == "float":
        if len(checked) > 1:
            raise InvalidRequest(f"filter: {field} is a float field; give a range")
        return Condition(field, bounds={"gte": checked[0], "lte": checked[0]}, negated=negated)
    return Condition(field, any_of=checked, negated=negated)


def _checked(field: str, kind: FieldType, value: Any) -> Any:
    # bool is an int to Python, but not to a filter
    fits = isinstance(value, _PYTHON_TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
    if not fits:
        raise InvalidRequest(f"filter: {field} is a {kind} field; {_shown(value)} does not fit")
    if isinstance(value, str) and not is_unicode(value):
        raise InvalidRequest(f"filter: {field} holds text that is not Unicode")
    if isinstance(value, int | float) and not -(2**63) <= value < 2**63:  # NaN is in no range
        raise InvalidRequest(f"filter: {field} is out of range; numbers have 64 bits and are finite")
    return value


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists thousands deep
        text = "the value"
    return text if len(text) <= 60 else text[:60] + "…"
