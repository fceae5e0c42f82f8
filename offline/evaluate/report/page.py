"""``report.html``: one file that needs no other."""

import shlex
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from offline.evaluate.report import tables, wording
from offline.evaluate.report.drawing import Drawing
from offline.evaluate.report.drilldown import groups, ranks
from offline.evaluate.report.model import Report


def page(report: Report, drawings: Mapping[str, Drawing]) -> str:
    """The whole report as well-formed XML that is HTML too; whatever comes from data is escaped."""
    environment = Environment(
        loader=PackageLoader("offline.evaluate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def svg(file: str, prefix: str, labelled_by: str) -> Markup:
        return Markup(drawings[file].inside(prefix, labelled_by))  # noqa: S704, drawn here; holds no text of the data

    return environment.get_template("report.html.j2").render(
        report=report,
        command=shlex.join(report.command),
        svg=svg,
        groups=groups,
        ranks=ranks,
        tables=tables,
        wording=wording,
    )
