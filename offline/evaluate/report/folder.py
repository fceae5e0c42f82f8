"""A report as a folder of files."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from app.errors import ConfigurationError
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.markdown import markdown
from offline.evaluate.report.model import Report
from offline.evaluate.report.page import page
from offline.files import write_atomically

REPORT = "report.json"
_SHOWN_HITS = 10


def write_report(report: Report, folder: Path, drawings: Mapping[str, Drawing]) -> None:
    """Write ``report.html``, ``report.md``, every plot as SVG and PNG, and ``report.json`` when these are there.

    Args:
        drawings: by ``Plot.file``, one for each plot of the report.

    Raises:
        ValueError: plots and drawings are not the same.
    """
    plots = {plot.file for study in report.studies for plot in study.plots}
    if plots != drawings.keys():
        raise ValueError(f"plots without a drawing or drawings without a plot: {sorted(plots ^ drawings.keys())}")
    html, text = page(report, drawings), markdown(report)
    folder.mkdir(parents=True, exist_ok=True)
    for file, drawing in drawings.items():
        write_atomically(folder / file, drawing.svg)
        (folder / file).with_suffix(".png").write_bytes(drawing.png)
    write_atomically(folder / "report.html", html)
    write_atomically(folder / "report.md", text)
    write_atomically(folder / REPORT, _shortened(report).model_dump_json() + "\n")


def _shortened(report: Report) -> Report:
    """With the hits that a person looks at: a hundred for each of thousands of questions are in the TREC runs."""
    systems = [
        system.model_copy(update={"top": [hits[:_SHOWN_HITS] for hits in system.top]}) for system in report.systems
    ]
    return report.model_copy(update={"systems": systems})


def read_report(path: Path) -> Report:
    """The report of a ``report.json``, or of the folder that holds it.

    Raises:
        ConfigurationError: there is no such file, or it holds no report of this version.
    """
    file = path / REPORT if path.is_dir() else path
    try:
        return Report.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read ({error.strerror}); give the {REPORT} that `evaluate` wrote"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"{file} is no report of this version ({where and f'{where}: '}{first['msg']}); "
            f"give the {REPORT} that `evaluate` wrote, or evaluate again"
        ) from error
