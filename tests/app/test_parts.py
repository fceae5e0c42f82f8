"""The small parts: languages, passages, cores, memory, settings, errors."""

from pathlib import Path

import pytest

from app import errors
from app.cores import usable_cores
from app.errors import ConfigurationError, problem_of
from app.index import IndexLocation
from app.languages import CODES, normalise_tag
from app.memory import memory_limit_bytes
from app.passages import Passage, from_payload, point_id, to_payload
from app.settings import Settings


def test_language_tags_are_cleaned_and_unknown_ones_refused() -> None:
    assert [normalise_tag(tag) for tag in (" ar", "TE", "ja ")] == ["ar", "te", "ja"]
    with pytest.raises(ValueError, match="'english', known are ar, bn, fi, ja, ko, ru, te"):
        normalise_tag("english")
    assert CODES == ("ar", "bn", "fi", "ja", "ko", "ru", "te")


def test_a_docid_has_the_same_point_id_for_ever() -> None:
    assert point_id("Eiffel Tower") == "cdb1162c-1d59-502f-9985-29fda9fd95a8"


def test_a_payload_gives_back_the_passage_and_metadata_cannot_hide_our_fields() -> None:
    passage = Passage("d", "T", "x", {"text": "not ours", "docid": 5}, {"ar": ["س"]})
    assert from_payload(to_payload(passage)) == passage


def test_the_passage_tower_reads_title_and_text() -> None:
    assert Passage("d", "Title", "text").embedded_text == "Title text"
    assert Passage("d", "", "text").embedded_text == "text"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_cores_follow_the_containers_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    assert usable_cores(tmp_path) == expected


@pytest.mark.parametrize(
    "files", [{}, {"cpu.max": "max 100000"}, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}]
)
def test_without_a_quota_the_scheduler_mask_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    assert usable_cores(tmp_path) == 8


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"memory.max": "2147483648"}, 2 * 1024**3, id="v2"),
        pytest.param({"memory/memory.limit_in_bytes": "536870912"}, 512 * 1024**2, id="v1"),
        pytest.param({"memory.max": "max"}, None, id="v2, no limit"),
        pytest.param({"memory/memory.limit_in_bytes": str(2**63 - 4096)}, None, id="v1, no limit"),
        pytest.param({"memory/memory.limit_in_bytes": str(2**63 - 65536)}, None, id="v1, no limit, large pages"),
        pytest.param({}, None, id="no container"),
    ],
)
def test_memory_is_what_the_container_may_use(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    assert memory_limit_bytes(tmp_path) == expected


def test_settings_name_the_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XQG_BUNDLE", "b")
    monkeypatch.delenv("XQG_INDEX", raising=False)
    monkeypatch.setenv("XQG_PORT", "99999")
    with pytest.raises(ConfigurationError) as caught:
        Settings.read()
    assert "XQG_INDEX: field required" in str(caught.value)
    assert "XQG_PORT: input should be less than or equal to 65535" in str(caught.value)


def test_an_index_is_an_edge_folder_or_a_url() -> None:
    assert IndexLocation.parse("edge:some/folder").folder == Path("some/folder")
    assert IndexLocation.parse("http://qdrant:6333").url == "http://qdrant:6333"
    for text in ("qdrant:6333", "edge:", "", "http://", "http://host:abc", "http://host:99999", "http://[::1:6333"):
        with pytest.raises(ConfigurationError, match="write edge:<folder> or http://host:port"):
            IndexLocation.parse(text)


def test_an_index_with_a_password_in_its_url_is_refused_and_the_password_not_shown() -> None:
    for text in (
        "https://user:secret@host:6333",
        "https://user:secret@host:abc",
        "user:secret@host",
        "http://u:se/cret@h",
    ):
        with pytest.raises(ConfigurationError, match=r"(://)?…@h(ost)?") as caught:
            IndexLocation.parse(text)
        assert "cret" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="XQG_QDRANT_API_KEY holds the key"):
        IndexLocation.parse("https://user:secret@host:6333")  # which would be dropped, and the server left unasked


def test_every_error_has_a_row_and_unknown_ones_are_500() -> None:
    assert problem_of(errors.Overloaded("x")).status == 429
    assert problem_of(errors.ContractMismatch("x")).slug == "contract-mismatch"
    assert problem_of(errors.BundleError("x")).status == 500
    assert problem_of(ZeroDivisionError()).slug == "internal-error"
