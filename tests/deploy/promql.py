"""What PromQL expressions ask for, against what a service exposes."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

Exposed = dict[str, dict[str, set[str]]]
"""Name of a sample to its labels, each with the values that were seen."""

TARGET_LABELS: dict[str, set[str]] = {"job": {"xqg"}, "instance": set()}
"""What Prometheus adds to every sample."""
_OPEN_ENDED = {"instance", "status"}
"""Labels with values that a test cannot wait for."""


def exposed(text: str) -> Exposed:
    """What a scrape holds; a gauge without a sample, as a limit that is not set here, has no labels of its own."""
    found: Exposed = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        if family.type == "gauge" and not family.samples:
            found[family.name] = {label: set(values) for label, values in TARGET_LABELS.items()}
        for sample in family.samples:
            for label, value in {"job": "xqg", **sample.labels}.items():
                found[sample.name].setdefault(label, set()).add(value)
            found[sample.name].setdefault("instance", set())
    return dict(found) | {"up": dict(TARGET_LABELS)}


def problems(expression: str, known: Exposed) -> list[str]:
    """Names, labels and values in the expression that do not exist; empty where all do."""
    found: list[str] = []
    tree = promql_parser.parse(expression)
    for selector in _selectors(tree):
        labels = known.get(selector.name)
        if labels is None:
            found.append(f"there is no {selector.name}")
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in labels:
                found.append(f"{selector.name} has no label {matcher.name}")
            elif matcher.name not in _OPEN_ENDED:
                regex = matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe)
                wanted = matcher.value.split("|") if regex else [re.escape(matcher.value)]
                missing = [
                    each for each in wanted if not any(re.fullmatch(each, value) for value in labels[matcher.name])
                ]
                found += [f"{selector.name} has no {matcher.name} like {each}" for each in missing]
    return found + _unknown_groups(tree, known)


def names(expression: str) -> set[str]:
    return {selector.name for selector in _selectors(promql_parser.parse(expression))}


def _selectors(tree: Any) -> Iterator[Any]:
    return (node for node in _nodes(tree) if isinstance(node, promql_parser.VectorSelector))


def _unknown_groups(tree: Any, known: Exposed) -> list[str]:
    found = []
    for node in _nodes(tree):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            for selector in _selectors(node.expr):
                missing = set(node.modifier.labels) - known.get(selector.name, {}).keys()
                found += [f"{selector.name} cannot be grouped by {label}" for label in sorted(missing)]
    return found


def _nodes(tree: Any) -> list[Any]:
    nodes: list[Any] = []
    promql_parser.walk(tree, pre_visit=nodes.append)
    return nodes
