"""evaluate(): from files to a report."""

import platform
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from rich.console import Console

from app import __version__
from app.bundle import Bundle
from app.engines import Device, EngineName
from app.errors import ConfigurationError, InputError
from offline.evaluate.checks import CheckRequest, Checks
from offline.evaluate.dataset import KINDS, Dataset
from offline.evaluate.datasets import DatasetRequest, open_dataset
from offline.evaluate.embedded import EmbeddedDataset, embed_dataset
from offline.evaluate.embedding_cache import EmbeddingCache
from offline.evaluate.evaluation import Evaluation, Findings, main_kind, slug
from offline.evaluate.judge import Judge
from offline.evaluate.leaks import LeakPolicy, find_leaks, refuse_leaks
from offline.evaluate.report.folder import write_report
from offline.evaluate.report.model import AskedQuestion, DatasetFacts, Report, System
from offline.evaluate.report.terminal import tell
from offline.evaluate.studies import StudyName
from offline.evaluate.studies.alpha import against_alpha
from offline.evaluate.studies.compare import without_and_with
from offline.evaluate.studies.encoders import side_by_side
from offline.evaluate.studies.languages import across_languages
from offline.evaluate.studies.queries import against_queries
from offline.evaluate.studies.texts import queries_against_translations
from offline.evaluate.trec import write_qrels, write_run, write_submission

_OF_ONE_ENCODER: dict[StudyName, Callable[[Evaluation, EmbeddedDataset], Findings]] = {
    "alpha": against_alpha,
    "queries": against_queries,
    "languages": across_languages,
    "texts": queries_against_translations,
}
_SUBMITTED = ("xor-tydi", "vital")
"""Datasets whose questions the task of XOR-TyDi knows."""
_PACKAGES = ("numpy", "onnxruntime", "onnxruntime-gpu", "tokenizers", "ir-measures", "nltk", "scipy")


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """What to measure, on what, and how."""

    dataset: DatasetRequest
    bundles: Sequence[Path]
    output: Path
    studies: Sequence[StudyName] = ()
    """``compare`` is always made, since the others refer to it."""
    alpha: float = 0.01
    metrics: Sequence[str] = ()
    """To compare and test, the most telling first; by default what the dataset is judged by."""
    per_language: int | None = None
    """Texts fused per passage and language at most, drawn at random; None for all there are."""
    leaks: LeakPolicy = "refuse"
    allow_partial: bool = False
    seed: int = 0
    depth: int = 100
    device: Device = "cpu"
    question_engine: EngineName = "onnxruntime"
    """What embeds the questions, as ``XQG_ENGINE`` does in a service; what is indexed goes through ONNX Runtime."""
    max_batch_tokens: int = 512
    cache: Path | None = None
    """Folder of embedded texts, which evaluations may share; in the output folder where None."""
    checks: CheckRequest = CheckRequest()  # noqa: RUF009, frozen
    command: Sequence[str] = field(default_factory=lambda: sys.argv[1:])


def evaluate(request: EvaluateRequest, console: Console) -> Report:
    """Embed once, make every study that was asked for, and write the report.

    Raises:
        InputError: the files cannot be used, a tested question is among the fused texts, or some
            passages have texts to fuse and others none.
        ConfigurationError: options that do not suit the dataset, or a missing package or file.
        BundleError: an encoder cannot be opened.
        GateFailed: a language regresses, or the service measures otherwise; the report is written all the same.
        ContractMismatch, ServiceUnavailable: the service serves something else, or does not answer.
    """
    if request.per_language is not None and request.checks.service is not None:
        raise ConfigurationError("--queries-per-language measures another index than --service serves; leave one out")
    dataset = _fused_kinds(open_dataset(request.dataset), request.studies)
    check_fusable(dataset, request, console)
    judge = Judge(dataset, request.metrics, request.depth)
    evaluation = Evaluation(dataset, judge, request.alpha, console, request.seed, request.depth, request.per_language)
    bundles = _named([Bundle.open(folder) for folder in request.bundles])
    findings: list[Findings] = []
    pairs: list[tuple[System, System]] = []
    checks = Checks.open(request.checks, request.output, request.depth, dataset, bundles, request.alpha, judge.metrics)
    for name, bundle in bundles.items():
        embedded = _embedded(request, name, bundle, dataset, console)
        compared = without_and_with(evaluation, embedded)
        plain, fused = compared.systems
        pairs.append((plain, fused))
        findings.append(compared)
        for study in request.studies:
            if study in _OF_ONE_ENCODER:
                console.print(f"{name}: study {study}")
                findings.append(_OF_ONE_ENCODER[study](evaluation, embedded))
        findings += checks.ask_service(evaluation, embedded)
    if "encoders" in request.studies or len(pairs) > 1:
        findings.append(side_by_side(evaluation, pairs))
    report = _report(request, evaluation, bundles, findings)
    request.output.mkdir(parents=True, exist_ok=True)
    drawings = {each.plot.file: each.drawing for found in findings for each in found.figures}
    write_report(report, request.output, drawings)
    _write_runs(request.output, evaluation, [system for pair in pairs for system in pair])
    tell(report, console)
    console.print(f"report: {request.output / 'report.html'}", soft_wrap=True)
    checks.conclude(report, pairs[-1][1], console)
    return report


def _fused_kinds(dataset: Dataset, studies: Sequence[StudyName]) -> Dataset:
    """The dataset with the texts that are fused: those of the main kind, and for ``texts`` of both."""
    if "texts" not in studies:
        kind = main_kind(dataset)
        return replace(dataset, augmentations={kind: dataset.augmentations.get(kind, ())})
    lacking = [kind for kind in KINDS if not dataset.augmentations.get(kind)]
    if lacking:
        raise ConfigurationError(
            f"--study texts: {dataset.name} has no {lacking[0]}; XQuAD and MLQA have both, and need their files of at "
            "least two languages"
        )
    return dataset


def check_fusable(dataset: Dataset, request: EvaluateRequest, console: Console) -> None:
    """Refuse what would make the figures lie."""
    for what, count in dataset.notes.items():
        console.print(f"  {count:,} {what}")
    if not any(dataset.augmentations.values()):
        raise ConfigurationError(f"{dataset.name}: nothing to fuse; give the passages' generated queries as --queries")
    for kind, texts in dataset.augmentations.items():
        found = find_leaks(dataset, kind)
        if request.leaks == "refuse":
            refuse_leaks(found)
        elif found:
            console.print(f"  {len(found):,} {kind} that are a tested question are left out when it is asked")
        lacking = len({passage.docid for passage in dataset.passages} - {each.docid for each in texts})
        if lacking and texts and not request.allow_partial:
            raise InputError(
                f"{lacking:,} of {len(dataset.passages):,} passages have no {kind} and would lose to those that have; "
                "give theirs too, or pass --allow-partial"
            )


def _embedded(
    request: EvaluateRequest, name: str, bundle: Bundle, dataset: Dataset, console: Console
) -> EmbeddedDataset:
    folder = request.cache or request.output / "embeddings"
    engines: tuple[EngineName, ...] = ("onnxruntime", request.question_engine)
    cache, asking = (
        EmbeddingCache(folder, bundle, engine=engine, device=request.device, max_batch_tokens=request.max_batch_tokens)
        for engine in engines
    )
    with closing(cache), closing(asking):
        return embed_dataset(name, dataset, cache, asking, console)


def _named(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    """Encoders by a short name; by their folder's where two have the same source."""
    short = [bundle.encoder.source.rstrip("/").rsplit("/", 1)[-1] for bundle in bundles]
    twice = {name for name, count in Counter(short).items() if count > 1}
    names = [
        f"{name} ({bundle.folder.name})" if name in twice else name for name, bundle in zip(short, bundles, strict=True)
    ]
    if len(set(names)) < len(names):
        raise ConfigurationError("two bundles have the same source and folder name; give each another folder name")
    return dict(zip(names, bundles, strict=True))


def _report(
    request: EvaluateRequest, evaluation: Evaluation, bundles: dict[str, Bundle], findings: list[Findings]
) -> Report:
    dataset = evaluation.dataset
    return Report(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=["python", "-m", "offline", *request.checks.without_key(request.command)],
        versions=_versions() | {"questions embedded by": request.question_engine},
        seed=request.seed,
        depth=request.depth,
        dataset=DatasetFacts(
            name=dataset.name,
            files=dict(dataset.files),
            passages=len(dataset.passages),
            questions=dict(Counter(evaluation.langs)),
            augmentations={
                kind: dict(Counter(each.lang for each in texts)) for kind, texts in dataset.augmentations.items()
            },
            notes=dict(dataset.notes),
        ),
        encoders={name: bundle.fingerprint for name, bundle in bundles.items()},
        metrics=list(evaluation.metrics),
        questions=[
            AskedQuestion(
                id=each.id, lang=each.lang, text=each.text, relevant=dict(each.relevant), answers=list(each.answers)
            )
            for each in dataset.questions
        ],
        systems=[system for each in findings for system in each.systems],
        studies=[
            each.study.model_copy(update={"plots": [figure.plot for figure in each.figures]}) for each in findings
        ],
    )


def _versions() -> dict[str, str]:
    found = {"xqg": __version__, "python": platform.python_version(), "platform": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _write_runs(folder: Path, evaluation: Evaluation, systems: list[System]) -> None:
    """TREC runs, relevance judgements, and submissions in the format of XOR-TyDi."""
    write_qrels(folder / "qrels.txt", evaluation.dataset.questions)
    text_of = {passage.docid: passage.text for passage in evaluation.dataset.passages}
    for number, system in enumerate(systems):
        name = f"{number:02d}-{slug(system.name)}"
        write_run(folder / f"{name}.trec", system, evaluation.dataset.questions, "xqg")
        if evaluation.dataset.name in _SUBMITTED:
            write_submission(folder / f"{name}.json", system, evaluation.dataset.questions, text_of)
