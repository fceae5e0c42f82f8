"""A machine without a browser is told how to get one."""

import pytest

from deploy.chromium import main


def test_a_browser_that_is_not_there_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/no/such/browser")
    with pytest.raises(SystemExit, match="no browser at /no/such/browser; on Debian, as root: apt-get install"):
        main()
