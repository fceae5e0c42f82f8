"""Put the settings of the service, as its code has them, into the README: ``make fix`` runs this."""

import re
from pathlib import Path

from app.describe import settings_table

_README = Path(__file__).parent.parent / "README.md"
_TABLE = re.compile(r"^\| variable \| default \|.*?\n(?=\n)", re.MULTILINE | re.DOTALL)


def main() -> None:
    text = _README.read_text(encoding="utf-8")
    changed, found = _TABLE.subn(lambda _: settings_table() + "\n", text)
    assert found == 1, "README.md has one table of settings"
    if changed != text:
        _README.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main()
