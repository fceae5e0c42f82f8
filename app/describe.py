"""The settings in words, for ``python -m app --help`` and for the README: all from ``Settings`` itself."""

import re
import textwrap
from collections.abc import Iterator

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.settings import Settings, variable

_SECTIONS = {
    "bundle": "What is served",
    "host": "Listening",
    "log_format": "Logs and traces",
    "engine": "Encoding",
    "timeout_s": "Limits",
    "api_keys": "Access",
    "index_retry_s": "Upkeep",
}
"""Title of each section, by its first field; a section ends where the next begins."""


def settings_help(width: int = 80) -> str:
    """Every setting by section: variable, default, choices, and what it does."""
    lines = []
    for name, field in Settings.model_fields.items():
        if name in _SECTIONS:
            lines += ["", f"{_SECTIONS[name]}:"]
        default = _default(field) if field.is_required() else f"default {_default(field)}"
        lines.append(f"  {variable(name)}  ({'; '.join([default, *_choices(name)])})")
        text = _description(field).replace("``", "")
        lines += textwrap.wrap(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines[1:])


def settings_table() -> str:
    """The same as a Markdown table, one row a setting."""
    rows = ["| variable | default | |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = _default(field)
        code = default if default in ("required", "none") else f"`{default}`"
        text = _description(field).replace("``", "`").replace("|", r"\|")
        rows.append(f"| `{variable(name)}` | {code} | {'; '.join([text.removesuffix('.'), *_choices(name)])} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value in (None, "", (), []):
        return "none"
    if isinstance(value, SecretStr):
        return "secret"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choices(name: str) -> Iterator[str]:
    """What a value may be: the words of an enumeration, the bounds of a number."""
    schema = _SCHEMA[name]
    for each in (schema, *schema.get("anyOf", ())):
        if "enum" in each:
            *first, last = map(str, each["enum"])
            yield f"{', '.join(first)} or {last}" if first else last
        if "exclusiveMinimum" in each:
            yield f"more than {each['exclusiveMinimum']}"
        if "minimum" in each:
            yield f"{each['minimum']} to {each['maximum']}" if "maximum" in each else f"at least {each['minimum']}"


def _description(field: FieldInfo) -> str:
    """In one line; another field's name becomes that of its variable."""
    line = " ".join((field.description or "").split())
    return re.sub(r"``(\w+)``", lambda word: f"``{_spelled(word[1])}``", line)


def _spelled(word: str) -> str:
    return variable(word) if word in Settings.model_fields else word


_SCHEMA = Settings.model_json_schema()["properties"]
