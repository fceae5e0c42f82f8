import pytest

from offline.evaluate.report.drawing import Drawing
from tests.offline.evaluate.made_report import draw_all


@pytest.fixture(scope="session")
def drawings() -> dict[str, Drawing]:
    """A plot of every kind, drawn once: each takes a second or two."""
    return draw_all()
