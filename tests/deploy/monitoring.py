"""Alert rules and dashboard, as read from their files."""

import json
from typing import Any

import yaml

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yaml"
RULES_TEST = DEPLOY / "prometheus" / "rules_test.yaml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
RECORDED = [rule for group in GROUPS for rule in group["rules"] if "record" in rule]
ALERTS = [rule for group in GROUPS for rule in group["rules"] if "alert" in rule]
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "xqg.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
_MACROS = {"$__rate_interval": "5m", "$instance": ".*", "$lang": ".*"}


def expressions_of(panel: dict[str, Any]) -> list[str]:
    found = []
    for target in panel["targets"]:
        expression = target["expr"]
        for macro, value in _MACROS.items():
            expression = expression.replace(macro, value)
        found.append(expression)
    return found
