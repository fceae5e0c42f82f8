"""API keys: who is let in, what is refused at start, and what is never told."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.datastructures import Headers

from app.errors import ConfigurationError
from app.keys import ApiKeys

OLD, NEW = "old-key-0123456789", "new-key-0123456789"


def keys(given: str | None = None, file: Path | None = None) -> ApiKeys:
    found = ApiKeys.read(None if given is None else SecretStr(given), file)
    assert found is not None
    return found


def test_any_of_several_keys_opens_in_either_header() -> None:
    both = keys(f"{OLD}, {NEW}")
    assert both.accept(Headers({"authorization": f"Bearer {OLD}"}))
    assert both.accept(Headers({"authorization": f"bearer {NEW}"}))
    assert both.accept(Headers({"x-api-key": NEW}))


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": OLD}, {"authorization": f"Basic {OLD}"}, {"x-api-key": OLD[:-1]}, {"x-api-key": ""}],
)
def test_nothing_else_does(headers: dict[str, str]) -> None:
    assert not keys(OLD).accept(Headers(headers))


def test_without_settings_there_are_no_keys() -> None:
    assert ApiKeys.read(None, None) is None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [("", "no key"), (" , ", "no key"), ("short", "key 1 is shorter"), (f"{OLD},", "key 2 is shorter"),
     (f"{OLD}é", "no header carries"), (f"{OLD} {NEW}", "no header carries")],
)  # fmt: skip
def test_what_is_no_key_is_refused_and_not_repeated(given: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as error:
        keys(given)
    assert "0123456789" not in error.value.message
    assert "short," not in error.value.message


def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        keys(file=tmp_path / "none")
    (tmp_path / "comments").write_text("# nothing\n\n")
    with pytest.raises(ConfigurationError, match="no key"):
        keys(file=tmp_path / "comments")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        keys(file=tmp_path / "binary")


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"

    def write(text: str) -> None:  # as Kubernetes does: a new file in the place of the old
        (tmp_path / "next").write_text(text)
        os.replace(tmp_path / "next", file)  # noqa: PTH105

    def opens(key: str) -> bool:
        return known.accept(Headers({"x-api-key": key}))

    write(f"# first\n{OLD}\n")
    known = keys(file=file)
    assert (opens(OLD), opens(NEW)) == (True, False)
    write(f"{OLD}\n{NEW}\n")
    assert (opens(OLD), opens(NEW)) == (True, True)
    write(NEW)
    assert (opens(OLD), opens(NEW)) == (False, True)
    write("short")
    assert (opens("short"), opens(NEW)) == (False, True)
    assert opens(NEW)
    assert caplog.text.count("stay as they were") == 1
    file.unlink()
    assert opens(NEW)
    write(OLD)
    assert (opens(OLD), opens(NEW)) == (True, False)
    assert OLD not in caplog.text + repr(vars(known))
