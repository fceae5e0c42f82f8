"""What an evaluation is held to: an earlier report, a running service."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from app.bundle import Bundle
from app.errors import ConfigurationError, GateFailed
from offline.evaluate.dataset import Dataset
from offline.evaluate.embedded import EmbeddedDataset
from offline.evaluate.evaluation import Evaluation, Findings
from offline.evaluate.gate import Baseline, hold_to
from offline.evaluate.report.model import Report, System
from offline.evaluate.served import Served, check_served
from offline.evaluate.service_check import compare_with_service
from offline.evaluate.service_client import ServiceAddress

_KEY_OPTION = "--api-key"
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to hold an evaluation to; nothing by default."""

    baseline: Path | None = None
    """``report.json`` of an earlier evaluation."""
    service: ServiceAddress | None = None
    """A running service that is asked the same questions."""
    max_drop: float = 0.01
    """How much the mean of a language may differ from either, 0 to 1."""

    def without_key(self, command: Sequence[str]) -> list[str]:
        """A command line as a report may show it; a key that no service was given for is one all the same."""
        key = self.service.api_key if self.service else None
        shown = []
        for before, word in zip(["", *command], command, strict=False):
            if before == _KEY_OPTION:
                shown.append(_HIDDEN)
            elif word.startswith(f"{_KEY_OPTION}="):
                shown.append(f"{_KEY_OPTION}={_HIDDEN}")
            else:
                shown.append(word.replace(key, _HIDDEN) if key else word)
        return shown


@dataclass(slots=True)
class Checks:
    """Opened before anything is embedded, and concluded when the report is written."""

    request: CheckRequest
    baseline: Baseline | None
    served: Served | None
    differing: list[str] = field(default_factory=list)
    """Where the service measured otherwise, in words."""

    @classmethod
    def open(
        cls,
        request: CheckRequest,
        output: Path,
        depth: int,
        dataset: Dataset,
        bundles: Mapping[str, Bundle],
        alpha: float,
        metrics: Collection[str],
    ) -> "Checks":
        """Read the baseline, before a report may be written in its place, and ask the service what it serves.

        Args:
            metrics: all that the evaluation will be judged by.

        Raises:
            ConfigurationError: the report cannot be used, or judged by other metrics or another number of hits.
            ContractMismatch: the service serves something else than what is evaluated.
            ServiceUnavailable: it does not answer.
        """
        baseline = None
        if request.baseline is not None:
            baseline = Baseline.open(request.baseline)
            if baseline.path.resolve().parent == output.resolve():
                raise ConfigurationError(
                    f"--baseline {request.baseline} would be overwritten by this evaluation; give another --output"
                )
            if baseline.report.depth != depth:
                raise ConfigurationError(
                    f"{request.baseline} judged {baseline.report.depth} hits a question, and this evaluation would "
                    f"judge {depth}; give --depth {baseline.report.depth}"
                )
            baseline.check_metrics(metrics)
        served = None
        if request.service is not None:
            served = asyncio.run(check_served(request.service, dataset, bundles, alpha))
        return cls(request, baseline, served)

    def ask_service(self, evaluation: Evaluation, embedded: EmbeddedDataset) -> list[Findings]:
        """The study ``service``, if there is a service and it has this encoder.

        Raises: as ``compare_with_service`` does.
        """
        if self.served is None or self.served.encoder != embedded.name:
            return []
        findings, self.differing = asyncio.run(
            compare_with_service(evaluation, embedded, self.served, self.request.max_drop)
        )
        return [findings]

    def conclude(self, report: Report, system: System, console: Console) -> None:
        """Hold a system of the report, the one with xQG, to the baseline, and the service to it.

        Raises:
            GateFailed: it regresses, or the service measures otherwise.
            ConfigurationError: the baseline asked other questions.
        """
        failures = []
        if self.baseline is not None:
            passages, max_drop = report.dataset.passages, self.request.max_drop
            try:
                hold_to(self.baseline, report.questions, system, passages, max_drop, console)
            except GateFailed as error:
                failures.append(error.message)
        if self.served is not None and self.differing:
            failures.append(
                f"the service {self.served.address.url} does not measure as exact search does, by more than "
                f"{100 * self.request.max_drop:g} points: {'; '.join(self.differing)}"
            )
        if failures:
            raise GateFailed("; and ".join(failures))
