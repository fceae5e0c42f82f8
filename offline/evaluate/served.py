"""Whether a running service serves what is evaluated, by what it says of itself."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.bundle import Bundle
from app.errors import ConfigurationError, ContractMismatch, ServiceUnavailable
from app.passages import Passage
from app.schemas import IndexInfo, Info
from offline.digests import corpus_digest_of, queries_digest_of
from offline.evaluate.dataset import Augmentation, Dataset
from offline.evaluate.service_client import ServiceAddress, ServiceClient


@dataclass(frozen=True, slots=True)
class Served:
    """A service that serves what was evaluated."""

    address: ServiceAddress
    index: IndexInfo
    encoder: str
    """Name of the one of the evaluated encoders that it has."""


async def check_served(
    address: ServiceAddress, dataset: Dataset, bundles: Mapping[str, Bundle], alpha: float
) -> Served:
    """Ask a service what it serves, before anything is embedded.

    Raises:
        ContractMismatch: it serves another encoder, alpha, corpus or queries; names the field and both values.
        ServiceUnavailable: it does not answer, or has no index open.
        ConfigurationError: what answers is no xQG service, or refuses the key.
    """
    if not dataset.augmentations.get("queries"):
        raise ConfigurationError("--service compares with passages that have queries fused in, and there are none here")
    async with ServiceClient(address) as client:
        info = await client.info()
    if info.index is None:
        raise ServiceUnavailable(f"the service {address.url} has no index open: {info.index_refused or 'not ready'}")
    names = {bundle.fingerprint: name for name, bundle in bundles.items()}
    for field, here, there in _fields(info, info.index, dataset, names, alpha):
        if here != there:
            raise ContractMismatch(
                f"the service {address.url} does not serve what is evaluated: {field} is {there} there and {here} "
                "here; evaluate with what it was loaded with, or load what is evaluated"
            )
    return Served(address, info.index, names[info.encoder.fingerprint])


def _fields(
    info: Info, index: IndexInfo, dataset: Dataset, names: Mapping[str, str], alpha: float
) -> list[tuple[str, object, object]]:
    """Name of each field that must be equal, with its value here and there."""
    there = info.encoder.fingerprint
    queries = dataset.augmentations["queries"]
    return [
        ("the encoder's fingerprint", there if there in names else ", ".join(names), there),
        ("alpha", alpha, index.alpha),
        ("the number of passages", len(dataset.passages), index.passages),
        ("the corpus digest", corpus_digest_of(dataset.passages), index.corpus_digest),
        ("the number of passages with queries", len({each.docid for each in queries}), index.augmented_passages),
        (
            "queries per language",
            dict(sorted(Counter(each.lang for each in queries).items())),
            index.queries_per_language,
        ),
        ("the queries digest", queries_digest_of(_with_queries(dataset.passages, queries)), index.queries_digest),
    ]


def _with_queries(passages: Sequence[Passage], queries: Sequence[Augmentation]) -> Iterator[Passage]:
    """The passages as ``embed`` stages them."""
    by_passage: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for query in queries:
        by_passage[query.docid][query.lang].append(query.text)
    for passage in passages:
        yield replace(passage, generated_queries=by_passage.get(passage.docid, {}))
