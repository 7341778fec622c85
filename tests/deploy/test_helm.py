"""The chart, judged by Helm, by Kubernetes' own schemas, and by what the rest of the project says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from contracts.access import SERVICES, access
from contracts.topics import TOPICS, dead_letter_topics
from deploy.containers.tools import tool
from deploy.stack.services import BY_NAME
from deploy.stack.settings import ROOT

CHART = ROOT / "deploy" / "helm" / "mortarboard"
VALUES = sorted(path.stem.removeprefix("values-") for path in CHART.glob("values-*.yaml"))
KUBERNETES = ("1.30.0", "1.37.0")
"""The oldest that the chart promises, and the newest that was tried."""
SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
KINDS = (
    "configmap-v1.json", "cronjob-batch-v1.json", "deployment-apps-v1.json", "ingress-networking-v1.json",
    "horizontalpodautoscaler-autoscaling-v2.json", "job-batch-v1.json", "networkpolicy-networking-v1.json",
    "poddisruptionbudget-policy-v1.json", "service-v1.json", "serviceaccount-v1.json",
    "statefulset-apps-v1.json",
)  # fmt: skip
OURS = Path(__file__).with_name("schemas")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, check=False)


def rendered(values: str, *more: str, version: str = KUBERNETES[-1]) -> str:
    chosen = ["--values", str(CHART / f"values-{values}.yaml"), *more]
    done = helm("template", "mortarboard", str(CHART), "--namespace", "m", "--kube-version", version, *chosen)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(values: str, *more: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(rendered(values, *more)) if one]


def of_kind(found: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [one for one in found if one["kind"] in kinds]


def test_there_are_examples_for_a_node_for_production_and_for_a_managed_kafka() -> None:
    assert VALUES == ["managed-kafka", "production", "small"]


@pytest.mark.parametrize("values", VALUES)
def test_helm_lint_finds_nothing(values: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = helm("lint", "--strict", str(CHART), "--values", str(CHART / f"values-{values}.yaml"))
    with capsys.disabled():
        print(f"\n  helm lint, {values}: {done.stdout.strip().splitlines()[-1]}", flush=True)
    assert done.returncode == 0, done.stdout + done.stderr


def standalone(version: str, folder: Path) -> Path:
    """Kubernetes' strict schemas of the chart's kinds, each whole: kubeconform follows no reference."""
    source = SCHEMAS / f"v{version}-local-strict"

    def within(path: Path) -> dict[str, Any]:
        return dict(json.loads(path.read_text().replace("/api/_definitions.json#", "#")))

    definitions = within(source / "_definitions.json")["$defs"]
    folder.mkdir()
    for name in KINDS:
        whole = within(source / name) | {"$defs": definitions, "$schema": DRAFT}
        (folder / name).write_text(json.dumps(whole))
    return folder


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VALUES)
def test_every_object_is_valid_in_strict_mode(
    values: str, version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = kubeconform(rendered(values, version=version), version, tmp_path)
    with capsys.disabled():
        print(f"\n  kubeconform, {values}, {version}: {done.stdout.strip().splitlines()[-1]}", flush=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Skipped: 0" in done.stdout


@pytest.mark.parametrize(
    ("was", "is_now"),
    [("replicas: 1", "replica: 1"), ("lagThreshold:", "lagTreshold:"), ("- Read", "- Reed")],
)
def test_a_mistake_is_noticed(was: str, is_now: str, tmp_path: Path) -> None:
    text = yaml.safe_dump_all(objects("production"))
    text = text.replace("replicas: 2", "replicas: 1")
    assert was in text
    assert kubeconform(text.replace(was, is_now), KUBERNETES[-1], tmp_path).returncode != 0


def kubeconform(text: str, version: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    manifests = tmp_path / "all.yaml"
    manifests.write_text(text)
    known = f"{standalone(version, tmp_path / 'kubernetes')}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    custom = f"{OURS}/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json"
    command = [str(tool("kubeconform")), "-strict", "-summary", "-kubernetes-version", version]
    command += ["-schema-location", known, "-schema-location", custom, str(manifests)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("values", VALUES)
def test_every_pod_asks_for_no_more_than_the_restricted_standard_gives(values: str) -> None:
    workloads = of_kind(objects(values), "Deployment", "StatefulSet", "Job")
    assert len(workloads) >= 10
    for one in workloads:
        pod = one["spec"]["template"]["spec"]
        name = one["metadata"]["name"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert {"requests", "limits"} <= set(container["resources"]), name


def test_no_secret_is_a_plain_setting() -> None:
    refused = helm("template", "m", str(CHART), "--kube-version", "1.37.0", "--set", "settings.MASTER_KEY=x")
    assert refused.returncode != 0
    assert "/settings" in refused.stderr
    assert not of_kind(objects("production"), "Secret")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("kafka.bootstrap=", "kafka.bootstrap: say where Kafka is"),
        ("issuer.jwksUrl=http://id.example/keys", "issuer.jwksUrl: must be https"),
        ("kafka.strimzi.namespace=kafka", "kafka.strimzi.namespace"),
        ("kafka.saslMechanism=OAUTHBEARER", "kafka.oauth.tokenUrl"),
        ("kafka.clientCertificates=true", "autoscaling.consumers.authentication"),
        ("kafka.security=TLS", "/kafka/security"),
        ("kafka.bootstrap=kafka.m.svc:9092\\,other:9092", "KEDA asks Kafka from a namespace of its own"),
        ("kafka.strimzi.config.retention\\.ms=1000", "'config' not allowed"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_installed(change: str, words: str) -> None:
    values = str(CHART / "values-production.yaml")
    done = helm("template", "m", str(CHART), "--kube-version", "1.37.0", "--values", values, "--set", change)
    assert done.returncode != 0
    assert words in done.stderr


def test_topics_and_users_are_those_of_the_contracts() -> None:
    found = objects("production", "--set", "kafka.topicPrefix=p.")
    declared = {**TOPICS, **dead_letter_topics()}
    topics = {one["spec"]["topicName"]: one["spec"] for one in of_kind(found, "KafkaTopic")}
    assert set(topics) == {f"p.{name}" for name in declared}
    for name, topic in declared.items():
        spec = topics[f"p.{name}"]
        assert spec["partitions"] == topic.partitions
        assert {key: spec["config"][key] for key in topic.config()} == topic.config()
    users = {one["metadata"]["name"]: one["spec"] for one in of_kind(found, "KafkaUser")}
    rights = access("p.")
    assert set(users) == {f"mortarboard-{name}-kafka" for name in rights}
    for name, mine in rights.items():
        told = {
            (acl["resource"]["type"], acl["resource"].get("name", "kafka-cluster"), tuple(acl["operations"]))
            for acl in users[f"mortarboard-{name}-kafka"]["authorization"]["acls"]
        }
        assert told == {(right.resource, right.name, right.operations) for right in mine}


def test_consumers_scale_by_every_group_of_theirs_and_to_no_more_than_partitions() -> None:
    found = {one["metadata"]["name"]: one["spec"] for one in of_kind(objects("production"), "ScaledObject")}
    for service in SERVICES:
        topics = {topic.name: topic for topic in TOPICS.values() if service in topic.consumers}
        if not topics:
            continue
        spec = found[f"mortarboard-{service}-consumers"]
        kafka = [one["metadata"] for one in spec["triggers"] if one["type"] == "kafka"]
        assert {(one["topic"], one["consumerGroup"]) for one in kafka} == {
            (name, f"{service}.{name}") for name in topics
        }
        assert spec["maxReplicaCount"] == max(topic.partitions for topic in topics.values())
        assert spec["scaleTargetRef"]["name"] == f"mortarboard-{service}-consumers"
    scaled = {(one["kind"], one["name"]) for one in (spec["scaleTargetRef"] for spec in found.values())}
    others = of_kind(objects("production"), "HorizontalPodAutoscaler")
    targets = {
        (one["spec"]["scaleTargetRef"]["kind"], one["spec"]["scaleTargetRef"]["name"]) for one in others
    }
    assert not scaled & targets


@pytest.mark.parametrize("values", VALUES)
def test_a_service_is_told_every_setting_that_it_needs_and_none_that_it_does_not_know(
    values: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of each pod, with files where secrets are mounted, must make the service's settings."""
    import importlib

    for one in of_kind(objects(values), "Deployment", "StatefulSet"):
        (container,) = one["spec"]["template"]["spec"]["containers"]
        service = BY_NAME[container["name"]]
        module = importlib.import_module(f"{service.package}.settings")
        settings_type = next(
            value for name, value in vars(module).items() if name.endswith("Settings") and name != "Settings"
            and getattr(value, "service", "") == service.name
        )  # fmt: skip
        told = {}
        for entry in container["env"]:
            value = entry.get("value", "pod-0")
            if entry["name"].endswith("_FILE"):
                path = tmp_path / Path(value).name
                path.write_text("secret")
                value = str(path)
            told[entry["name"].removeprefix("MORTARBOARD_").lower()] = value
        told.setdefault("catalogue", str(ROOT / "deploy" / "catalogue.yaml"))
        settings = settings_type.model_validate(told)
        assert settings.instance == "pod-0"
        assert set(told) - {"catalogue"} <= set(settings_type.model_fields), one["metadata"]["name"]


def test_alerts_and_boards_in_the_chart_are_those_of_the_monitoring_folder() -> None:
    found = objects("production")
    alerts = {
        rule["alert"]
        for one in of_kind(found, "PrometheusRule")
        for group in one["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert {"ProcessDown", "BudgetBurnsFast"} <= alerts
    text = rendered("production")
    assert "https://runbooks.example/mortarboard/outbox-old.md" in text
    assert "docs/runbooks/" not in text.replace("docs/runbooks/…", "")
    (boards,) = [one for one in of_kind(found, "ConfigMap") if one["metadata"]["name"].endswith("-boards")]
    assert {json.loads(text)["title"] for text in boards["data"].values()} >= {"Mortarboard: the loop"}
