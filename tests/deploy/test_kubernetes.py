"""`deploy/kubernetes`: its parts fit each other, and what our processes do."""

import re
from typing import Any

import jsonschema_rs
import pytest

from monarq.dashboard.app import ROUTERS
from monarq.dashboard.cli.dashboard import _DRAIN
from monarq.dashboard.routes.fleet import ScalingDocument
from monarq.jobs.errors import ConfigError

from .files import DEPLOY, documents, pods, start

FOLDER = DEPLOY / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
KEDA = sorted((FOLDER / "keda").glob("*.yaml"))
ALL = [one for path in FILES if path.name != "kustomization.yaml" for one in documents(path)]
PODS = dict(pods(ALL))
#: What handlers and requests have to clean up, seconds.
CLEANING_UP = 10


def _config() -> dict[str, str]:
    [config] = [one["data"] for one in ALL if one["kind"] == "ConfigMap"]
    return dict(config)


def _container(name: str) -> Any:
    [container] = PODS[name]["spec"]["containers"]
    return container


def test_the_kustomization_names_every_file() -> None:
    [kustomization] = documents(FOLDER / "kustomization.yaml")
    assert {path.name for path in FILES} - {"kustomization.yaml"} == set(kustomization["resources"])
    images = {container["image"] for pod in PODS.values() for container in pod["spec"]["containers"]}
    assert images == {image["name"] for image in kustomization["images"]}


@pytest.mark.parametrize("name", PODS)
def test_a_process_starts_with_what_its_pod_gives_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    container = _container(name)
    secrets = {"MONARQ_REDIS_URL": "redis://r/0", "MONARQ_DATABASE_URL": "postgresql://d/app"}
    own = {one["name"]: one["value"] for one in container.get("env", ())}
    start(monkeypatch, container["args"], _config() | secrets | own)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_given_no_variables_by_the_cluster(name: str) -> None:
    """A service `monarq-dashboard` would become MONARQ_DASHBOARD_PORT=tcp://…, which is a setting."""
    assert PODS[name]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", ["MONARQ_DASHBOARD_PORT", "MONARQ_DASHBOARD_SERVICE_HOST"])
def test_what_the_cluster_would_set_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ConfigError):
        start(monkeypatch, ["dashboard"], {name: "tcp://10.0.0.1:80"})


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_rights_that_it_does_not_need(name: str) -> None:
    pod, container = PODS[name]["spec"], _container(name)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_worker_may_take_its_drain_time_and_ten_seconds_more() -> None:
    drain = int(_config()["MONARQ_DRAIN_TIMEOUT"])
    assert PODS["monarq-worker"]["spec"]["terminationGracePeriodSeconds"] == drain + CLEANING_UP


def test_a_dashboard_may_take_its_drain_time_and_ten_seconds_more() -> None:
    assert PODS["monarq-dashboard"]["spec"]["terminationGracePeriodSeconds"] == _DRAIN + CLEANING_UP


@pytest.mark.parametrize("name", ["monarq-worker", "monarq-relay", "monarq-dashboard"])
def test_probes_ask_where_a_process_answers(name: str) -> None:
    container = _container(name)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert asked["startup"]["path"] == "/startupz"
    assert asked["liveness"]["path"] == "/livez", "a restart would not bring a store back"
    assert asked["readiness"]["path"] == ("/livez" if name == "monarq-dashboard" else "/readyz")
    served = 8080 if name == "monarq-dashboard" else int(_config()["MONARQ_METRICS_PORT"])
    assert {ports[get["port"]] for get in asked.values()} == {served}


@pytest.mark.parametrize("name", ["monarq-worker", "monarq-relay", "monarq-dashboard"])
def test_prometheus_scrapes_where_a_process_tells_its_metrics(name: str) -> None:
    told = PODS[name]["metadata"]["annotations"]
    assert told == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": _config()["MONARQ_METRICS_PORT"],
    }
    ports = {port["name"]: port["containerPort"] for port in _container(name)["ports"]}
    assert str(ports["metrics"]) == _config()["MONARQ_METRICS_PORT"]


def test_services_and_budgets_find_their_pods() -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    for one in ALL:
        selector = one["spec"].get("selector", {}) if one["kind"] != "ConfigMap" else {}
        wanted = selector.get("matchLabels", selector)
        if wanted:
            assert sum(wanted.items() <= own.items() for own in labels) == 1, one["metadata"]["name"]


# --- KEDA

_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def _closed(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


_NAMED = _closed("name", name={"type": "string"})
_COUNT = {"type": "integer", "minimum": 0}
_TRIGGER = _closed(
    "type metadata",
    type={"enum": ["metrics-api", "prometheus"]},
    metricType={"enum": ["AverageValue", "Value"]},
    metadata=_TEXTS,
    authenticationRef=_NAMED,
)
#: Of what we use, as KEDA 2.21 describes it.
KEDA_SPECS = {
    "ScaledObject": _closed(
        "scaleTargetRef triggers",
        scaleTargetRef=_NAMED,
        minReplicaCount=_COUNT,
        maxReplicaCount=_COUNT,
        pollingInterval=_COUNT,
        cooldownPeriod=_COUNT,
        fallback=_closed("failureThreshold replicas", failureThreshold=_COUNT, replicas=_COUNT),
        triggers={"type": "array", "items": _TRIGGER, "minItems": 1},
    ),
    "TriggerAuthentication": _closed(
        "secretTargetRef",
        secretTargetRef={
            "type": "array",
            "items": _closed(
                "parameter name key",
                parameter={"type": "string"},
                name={"type": "string"},
                key={"type": "string"},
            ),
        },
    ),
}
#: What each trigger must be told, and may be told.
TRIGGERS = {
    "metrics-api": ({"url", "valueLocation", "targetValue"}, {"authMode"}),
    "prometheus": ({"serverAddress", "query", "threshold"}, {"ignoreNullValues"}),
}


@pytest.mark.parametrize("path", KEDA, ids=lambda path: path.stem)
def test_keda_is_told_what_it_understands(path: Any) -> None:
    for one in documents(path):
        assert set(one) == {"apiVersion", "kind", "metadata", "spec"}
        assert one["apiVersion"] == "keda.sh/v1alpha1"
        assert list(jsonschema_rs.validator_for(KEDA_SPECS[one["kind"]]).iter_errors(one["spec"])) == []
        for trigger in one["spec"].get("triggers", ()):
            must, may = TRIGGERS[trigger["type"]]
            assert must <= set(trigger["metadata"]) <= must | may


@pytest.mark.parametrize("path", KEDA, ids=lambda path: path.stem)
def test_keda_scales_a_deployment_that_is_there(path: Any) -> None:
    [scaled] = [one for one in documents(path) if one["kind"] == "ScaledObject"]
    assert scaled["spec"]["scaleTargetRef"]["name"] in PODS
    [trigger] = scaled["spec"]["triggers"]
    assert trigger["metricType"] == "AverageValue", "the number is that of all replicas"


def test_keda_asks_the_api_for_what_it_tells() -> None:
    [authentication, scaled] = documents(FOLDER / "keda" / "metrics-api.yaml")
    [trigger] = scaled["spec"]["triggers"]
    told = trigger["metadata"]
    path, _, query = told["url"].removeprefix("https://ops.example.com").partition("?")
    assert path in {route.path for router in ROUTERS for route in router.routes}
    assert query.startswith("queue=")
    assert told["valueLocation"] in ScalingDocument.model_fields
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    assert [one["parameter"] for one in authentication["spec"]["secretTargetRef"]] == ["token"]


def test_keda_counts_the_slots_of_a_worker() -> None:
    [scaled] = documents(FOLDER / "keda" / "prometheus.yaml")
    [trigger] = scaled["spec"]["triggers"]
    assert trigger["metadata"]["threshold"] == _config()["MONARQ_CONCURRENCY"]
    assert trigger["metadata"]["ignoreNullValues"] == "false", "no numbers is no empty queue"


def test_keda_asks_prometheus_for_metrics_that_there_are() -> None:
    [scaled] = documents(FOLDER / "keda" / "prometheus.yaml")
    asked = set(re.findall(r"monarq_\w+", scaled["spec"]["triggers"][0]["metadata"]["query"]))
    guide = (DEPLOY.parent / "docs" / "guides" / "metrics.md").read_text(encoding="utf-8")
    assert asked == {"monarq_queue_jobs", "monarq_queue_paused"}
    assert asked <= set(re.findall(r"`(monarq_\w+)`", guide))
