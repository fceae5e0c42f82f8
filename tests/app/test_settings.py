"""Settings: what refuses to start, and that help and README say what the code does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app import __version__
from app.bundle import Bundle
from app.describe import settings_help, settings_table
from app.errors import ConfigurationError
from app.settings import Settings, variable
from tests.conftest import ROOT, SMALL_PASSAGES, Built


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("XQG_BUNDLE", "bundle")
    monkeypatch.setenv("XQG_INDEX", "edge:index")
    return monkeypatch


def refusal() -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.read()
    return caught.value.message


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"MAX_BATCH_TOKENS": "500", "MAX_QUEUE_TOKENS": "400"}, "XQG_MAX_QUEUE_TOKENS lets only 400 wait"),
        ({"QDRANT_API_KEY": "k"}, "XQG_INDEX is edge:index, which takes no key"),
        ({"LOG_QUERIES": "true", "LOG_LEVEL": "warning"}, "XQG_LOG_LEVEL=warning leaves out the lines"),
        ({"TIMEOUT_S": "inf"}, "XQG_TIMEOUT_S: input should be a finite number"),
        ({"LOG_LEVEL": "loud"}, "XQG_LOG_LEVEL: input should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_settings_that_cannot_work_together_or_at_all_are_refused(
    set_variables: pytest.MonkeyPatch, variables: dict[str, str], complaint: str
) -> None:
    for name, value in variables.items():
        set_variables.setenv(f"XQG_{name}", value)
    assert complaint in refusal()


def test_every_contradiction_is_told_at_once(set_variables: pytest.MonkeyPatch) -> None:
    set_variables.setenv("XQG_MAX_QUEUE_TOKENS", "1")
    set_variables.setenv("XQG_QDRANT_API_KEY", "a secret")
    message = refusal()
    assert "XQG_MAX_QUEUE_TOKENS" in message
    assert "XQG_QDRANT_API_KEY" in message
    assert "a secret" not in message


def test_a_misspelt_variable_is_refused_with_the_name_that_was_meant(set_variables: pytest.MonkeyPatch) -> None:
    set_variables.setenv("XQG_TIMEOUT", "3")
    set_variables.setenv("XQG_WALRUS", "1")
    message = refusal()
    assert "XQG_TIMEOUT is no setting, did you mean XQG_TIMEOUT_S?" in message
    assert "XQG_WALRUS is no setting;" in message


def test_variables_of_others_under_the_prefix_are_left_alone(set_variables: pytest.MonkeyPatch) -> None:
    ours_elsewhere = ("XQG_CHAT_API_KEY", "XQG_CLIENT_KEY", "XQG_CLIENT_URL")
    for name in (*ours_elsewhere, "XQG_SERVICE_HOST", "XQG_PORT_8000_TCP_ADDR", "XQG_SEARCH_SERVICE_PORT_HTTP"):
        set_variables.setenv(name, "x")
    set_variables.setenv("XQG_SEARCH_PORT", "tcp://10.0.0.1:8000")
    assert Settings.read().index == "edge:index"


def test_a_port_that_kubernetes_set_for_a_service_of_our_name_is_told_apart(set_variables: pytest.MonkeyPatch) -> None:
    set_variables.setenv("XQG_PORT", "tcp://10.0.0.1:8000")
    assert "enableServiceLinks: false" in refusal()


def test_every_setting_has_a_description_and_help_prints_all_in_80_columns() -> None:
    text = settings_help()
    for name, field in Settings.model_fields.items():
        assert field.description, f"{name} needs a docstring under it"
        assert f"  {variable(name)}  (" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "XQG_DRAIN_S  (default 20; at least 0)" in text
    assert "XQG_BUNDLE  (required)" in text
    assert "and with XQG_OTEL leave them" in text  # the docstring says `otel`


def test_the_readmes_table_is_what_the_code_says() -> None:
    assert settings_table() in (ROOT / "README.md").read_text(encoding="utf-8"), "run `make fix`"


def run_app(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_help_and_version_need_no_settings_and_an_unknown_argument_is_an_error() -> None:
    shown = run_app("--help", COLUMNS="80")
    assert shown.returncode == 0
    assert "XQG_MAX_BODY_BYTES  (default 1048576; at least 1)" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert run_app("--version").stdout == f"xqg {__version__}\n"
    refused = run_app("serve")
    assert refused.returncode == 2
    assert "unrecognized arguments: serve" in refused.stderr


def test_check_tells_whether_the_service_would_be_ready(demo_bundle: Bundle, built: Built, tmp_path: Path) -> None:
    shutil.copytree(built.index.removeprefix("edge:"), tmp_path / "index", symlinks=True)
    variables = {"XQG_BUNDLE": str(demo_bundle.folder), "XQG_INDEX": f"edge:{tmp_path / 'index'}"}
    well = run_app("--check", **variables)
    assert well.returncode == 0, well.stderr
    assert well.stdout.startswith("ok: passages-")
    assert f"has {SMALL_PASSAGES} passages" in well.stdout
    missing = run_app("--check", **variables | {"XQG_COLLECTION": "other"})
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith("error: there is no index other")
    assert run_app("--check", **variables | {"XQG_BUNDLE": str(tmp_path)}).returncode == 2
