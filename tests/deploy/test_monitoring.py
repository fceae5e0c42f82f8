"""Alert rules and dashboard: of metrics that exist, and about one another."""

import itertools
import re
import shutil
import subprocess
from typing import Any

import httpx
import pytest
import yaml

from app.settings import Settings
from tests.deploy.monitoring import ALERTS, DASHBOARD, DEPLOY, PANELS, RECORDED, RULES, RULES_TEST, expressions_of
from tests.deploy.promql import Exposed, exposed, names, problems

BUILT_IN_PANELS = {"stat", "timeseries", "heatmap", "table", "state-timeline"}


@pytest.fixture(scope="module")
def known(client: httpx.Client) -> Exposed:
    """What a service exposes that was asked on every route, and what the rules record of it."""
    for path in ("/healthz", "/readyz", "/metrics", "/v1/info"):
        client.get(path)
    client.get("/v1/search", params={"q": "x"})
    client.post("/v1/search", json={"query": "x"})
    client.post("/v1/search/batch", json={"searches": [{"query": "x"}]})
    found = exposed(client.get("/metrics").text)
    for rule in RECORDED:  # level:metric:operation, where the level names the labels that are left
        level = rule["record"].split(":")[0].split("_")
        found[rule["record"]] = {label: {"xqg"} if label == "job" else set() for label in level}
        if "stage" in level:
            found[rule["record"]]["stage"] = found["xqg_stage_seconds_bucket"]["stage"]
    return found


@pytest.mark.parametrize("rule", [*RECORDED, *ALERTS], ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_names_labels_and_values_that_a_service_has(rule: dict[str, Any], known: Exposed) -> None:
    assert problems(rule["expr"], known) == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panels_ask_for_names_labels_and_values_that_a_service_has(panel: dict[str, Any], known: Exposed) -> None:
    for expression in expressions_of(panel):
        assert problems(expression, known) == []


def test_what_does_not_exist_is_found(known: Exposed) -> None:
    assert problems("rate(xqg_serches_total[5m])", known) == ["there is no xqg_serches_total"]
    assert problems('xqg_searches_total{language="te"}', known) == ["xqg_searches_total has no label language"]
    assert problems('xqg_stage_seconds_sum{stage=~"encode|rank"}', known) == [
        "xqg_stage_seconds_sum has no stage like rank"
    ]
    assert problems("sum by (lang) (xqg_ready)", known) == ["xqg_ready cannot be grouped by lang"]


def test_variables_and_annotations_of_the_dashboard_ask_for_what_exists(known: Exposed) -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            assert problems(f"count by ({label}) ({selector})", known) == []
            assert variable["query"]["query"] == variable["definition"]
    asked = [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"] if "expr" in annotation]
    assert asked
    assert [problem for expression in asked for problem in problems(expression, known)] == []


def test_every_metric_of_the_service_is_on_the_dashboard(known: Exposed) -> None:
    shown = {name for panel in PANELS for expression in expressions_of(panel) for name in names(expression)}
    told = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    served = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known if name.startswith("xqg_")}
    assert served - told == {"xqg_build_info"}


def test_every_alert_says_how_bad_what_and_where_to_read_on() -> None:
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)
    for alert in ALERTS:
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description", "runbook_url"} == alert["annotations"].keys()
        assert alert["annotations"]["runbook_url"] == f"deploy/runbook.md#{alert['alert'].lower()}"


def test_every_alert_has_a_test_that_raises_it() -> None:
    tests = yaml.safe_load(RULES_TEST.read_text())["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", [])]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("command", ["check", "test"])
def test_promtool_accepts_the_rules_and_their_tests_pass(command: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on the PATH; Debian's package prometheus has it")
    path = RULES if command == "check" else RULES_TEST
    done = subprocess.run(["promtool", command, "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_rule_names_a_limit_that_a_deployment_may_set_otherwise() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    numbers = {default: name for name, default in defaults.items() if isinstance(default, int) and default >= 100}
    assert 8192 in numbers
    for alert in ALERTS:
        text = " ".join([alert["expr"], *alert["annotations"].values()])
        named = {float(number.replace(",", "")) for number in re.findall(r"\d(?:[\d,.]*\d)?", text)}
        assert not named & numbers.keys(), alert["alert"]
        assert max(named, default=0) < 1024, f"{alert['alert']} names an amount of memory"


@pytest.mark.parametrize(
    ("taken", "limit"),
    [
        ("xqg_queue_tokens", "xqg_queue_tokens_limit"),
        ("process_resident_memory_bytes", "xqg_memory_limit_bytes"),
        ("process_open_fds", "process_max_fds"),
    ],
)
def test_what_has_a_limit_is_shown_and_alerts_beside_it(taken: str, limit: str) -> None:
    panels = [{name for each in expressions_of(panel) for name in names(each)} for panel in PANELS]
    assert [panel for panel in panels if taken in panel] == [{taken, limit}]
    rules = [names(alert["expr"]) for alert in ALERTS]
    assert [rule for rule in rules if taken in rule] == [{taken, limit}]


def test_rules_look_for_the_job_that_prometheus_scrapes() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    readme = (DEPLOY / "kubernetes" / "README.md").read_text()
    (on_kubernetes,) = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)[0])["scrape_configs"]
    assert "xqg" in [job["job_name"] for job in jobs]
    assert on_kubernetes["job_name"] == "xqg"
    wanted = {label for rule in ALERTS for label in re.findall(r'job="(\w+)"', rule["expr"])}
    assert wanted == {"xqg"}


def test_pods_that_have_ended_do_not_count_as_down() -> None:
    readme = (DEPLOY / "kubernetes" / "README.md").read_text()
    (job,) = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)[0])["scrape_configs"]
    by_phase = [each for each in job["relabel_configs"] if each.get("source_labels") == ["__meta_kubernetes_pod_phase"]]
    dropped = {
        phase
        for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown")
        if any(each["action"] == "drop" and re.fullmatch(each["regex"], phase) for each in by_phase)
    }
    assert dropped == {"Succeeded", "Failed"}


def test_panels_are_of_built_in_kinds_and_take_the_source_that_is_chosen() -> None:
    assert {panel["type"] for panel in PANELS} <= BUILT_IN_PANELS
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert panel["fieldConfig"]["defaults"]["unit"]
    (source,) = (each for each in DASHBOARD["templating"]["list"] if each["type"] == "datasource")
    assert (source["name"], source["query"]) == ("datasource", "prometheus")


def test_panels_lie_beside_and_below_one_another() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
