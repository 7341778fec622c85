"""What an installation chooses reaches every pod and job that it is meant for."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.databases import ROLES
from deploy.stack.services import ALL
from tests.deploy.test_helm import CHART, KUBERNETES, helm, kubeconform, objects, of_kind, rendered

CERTIFICATES = ("kafka.security=SSL", "kafka.clientCertificates=true")
TOKENS = (
    "kafka.security=SASL_SSL",
    "kafka.saslMechanism=OAUTHBEARER",
    "kafka.oauth.tokenUrl=https://id.example/t",
)
SECRETS = Path("/run/secrets/mortarboard")


def choose(*changes: str) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def templates(found: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    """The pod templates of these kinds, by name."""
    return {one["metadata"]["name"]: one["spec"]["template"] for one in of_kind(found, *kinds)}


def containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [*template["spec"]["containers"], *template["spec"].get("initContainers", ())]


def settings(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"].removeprefix("MORTARBOARD_"): one.get("value", "") for one in container["env"]}


def test_jobs_run_where_services_may_run() -> None:
    chosen = choose(
        "nodeSelector.pool=work", "tolerations[0].key=only", "priorityClassName=high", "podAnnotations.a=b"
    )
    for name, template in templates(
        objects("small", *chosen, *choose("migrations.contract=true")), "Deployment", "StatefulSet", "Job"
    ).items():
        pod = template["spec"]
        assert pod["nodeSelector"] == {"pool": "work"}, name
        assert pod["tolerations"] == [{"key": "only"}], name
        assert pod["priorityClassName"] == "high", name
        assert template["metadata"]["annotations"]["a"] == "b", name


def test_a_large_number_stays_a_whole_number(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(
        "settings: {MAX_BODY: 2097152, KEEP_AUDIT_DAYS: 0.5}\n"
        "autoscaling: {consumers: {enabled: true, lag: 1000000}}\n"
    )
    found = objects("small", "--values", str(file))
    told = settings(containers(templates(found, "Deployment")["mortarboard-dialog-svc-http"])[0])
    assert (told["MAX_BODY"], told["KEEP_AUDIT_DAYS"]) == ("2097152", "0.5")
    triggers = [one for scaled in of_kind(found, "ScaledObject") for one in scaled["spec"]["triggers"]]
    lags = {one["metadata"]["lagThreshold"] for one in triggers if one["type"] == "kafka"}
    assert lags == {"1000000"}


def test_client_certificates_are_the_files_that_certificate_secrets_have() -> None:
    """cert-manager's names in secrets of one's own; those of Strimzi's users are mapped."""
    for template in templates(
        objects("small", *choose(*CERTIFICATES)), "Deployment", "StatefulSet", "Job"
    ).values():
        for told in filter(lambda one: "KAFKA_SECURITY" in one, map(settings, containers(template))):
            assert told["KAFKA_CERT_FILE"] == "/run/secrets/mortarboard/tls.crt"
            assert told["KAFKA_KEY_FILE"] == "/run/secrets/mortarboard/tls.key"
    strimzi = ("kafka.strimzi.enabled=true", "kafka.strimzi.cluster=kafka")
    for template in templates(
        objects("small", *choose(*CERTIFICATES, *strimzi)), "Deployment", "StatefulSet"
    ).values():
        told = settings(containers(template)[0])
        (volume,) = [one for one in template["spec"]["volumes"] if one["name"] == "secrets"]
        paths = {
            f"/run/secrets/mortarboard/{item['path']}"
            for source in volume["projected"]["sources"]
            for item in source["secret"].get("items", ())
        }
        assert {told["KAFKA_CERT_FILE"], told["KAFKA_KEY_FILE"]} <= paths


@pytest.mark.parametrize(
    ("principal", "words"),
    [
        ("User:{name}", ["--principal", "User:{name}"]),
        (r"User:CN={name}\,O=My Company", ["--principal", "User:CN={name},O=My Company"]),
        ("", ["--without-access"]),
    ],
)
def test_the_topics_job_knows_how_the_broker_names_users(principal: str, words: list[str]) -> None:
    found = objects("small", *choose(f"kafka.topicsJob.principal={principal}"))
    (container,) = containers(templates(found, "Job")["mortarboard-topics"])
    assert container["args"] == ["topics", "apply", "--replication", "1", *words]


def test_the_jobs_reach_the_address_that_gives_them_tokens() -> None:
    issuer = "networkPolicies.issuer.ports[0]=8443"
    for chosen, reached in ((TOKENS, True), ((), False)):
        found = objects("small", *choose("networkPolicies.enabled=true", issuer, *chosen))
        (policy,) = [
            one
            for one in of_kind(found, "NetworkPolicy")
            if one["metadata"]["name"].endswith("mortarboardctl")
        ]
        ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
        assert (8443 in ports) is reached


def test_names_are_asked_for_where_the_clusters_dns_listens() -> None:
    """A policy sees the port of the pod behind the service: OpenShift's is 5353."""
    chosen = (
        "networkPolicies.enabled=true",
        "networkPolicies.dns.ports[0]=5353",
        "networkPolicies.dns.to[0].namespaceSelector.matchLabels.a=b",
    )
    (openshifts,) = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    wanted = {
        "ports": [{"protocol": "UDP", "port": 5353}, {"protocol": "TCP", "port": 5353}],
        "to": [openshifts],
    }
    policies = of_kind(objects("small", *choose(*chosen)), "NetworkPolicy")
    asking = {one["metadata"]["name"] for one in policies if wanted in one["spec"].get("egress", ())}
    assert asking == {"mortarboard-nothing-else", "mortarboard-mortarboardctl"}


def test_the_jobs_make_the_database_that_is_named() -> None:
    """And only these are told: a service's address names it."""
    found = objects("small", *choose("postgres.database=loop", "migrations.contract=true"))
    told = {
        f"{name}/{container['name']}": settings(container)["DATABASE_NAME"]
        for name, template in templates(found, "Job", "Deployment", "StatefulSet").items()
        for container in containers(template)
        if "DATABASE_NAME" in settings(container)
    }
    assert told == dict.fromkeys(
        ("mortarboard-expand/roles", "mortarboard-expand/migrate", "mortarboard-contract/migrate"), "loop"
    )
    assert "/postgres/database" in refused("mortarboard", *choose('postgres.database=no"name'))


def test_external_secrets_bring_every_secret_that_something_reads() -> None:
    store = ("externalSecrets.enabled=true", "externalSecrets.store.name=vault", "kafka.security=SASL_SSL")
    found = objects("small", *choose(*store, "autoscaling.consumers.enabled=true"))
    made = {one["spec"]["target"]["name"] for one in of_kind(found, "ExternalSecret")}
    mounted = {
        source["secret"]["name"]
        for template in templates(found, "Deployment", "StatefulSet", "Job").values()
        for volume in template["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
    }
    (authentication,) = of_kind(found, "TriggerAuthentication")
    assert made == mounted | {one["name"] for one in authentication["spec"]["secretTargetRef"]}


def test_the_script_makes_every_secret_but_what_only_the_operator_knows(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    command = [str(CHART.parent / "secrets.sh"), str(folder), "postgres:5432", "loop", "?sslmode=verify-full"]
    subprocess.run(command, check=True)
    lacking = set()
    for template in templates(objects("small"), "Deployment", "StatefulSet", "Job").values():
        (secret,) = [
            source["secret"]["name"].removeprefix("mortarboard-")
            for volume in template["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources", ())
        ]
        for container in containers(template):
            for value in settings(container).values():
                path = Path(str(value))
                if path.parent == SECRETS and not (folder / secret / path.name).is_file():
                    lacking.add(path.name)
    assert lacking == {"admin-url", "objects-access-key", "objects-secret-key"}
    passwords = {role: (folder / "ops" / role).read_text() for role in ROLES}
    assert len(set(passwords.values())) == len(ROLES)
    for service in ALL:
        for role, name in (
            (service.package, "database-url"),
            (f"{service.package}_http", "database-http-url"),
        ):
            said = (folder / service.name / name).read_text()
            assert said == f"postgresql://{role}:{passwords[role]}@postgres:5432/loop?sslmode=verify-full"
    keys = {(folder / one.name / "master-key").read_text() for one in ALL if one.master_key}
    assert [len(base64.b64decode(key, validate=True)) for key in keys] == [32]
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


@pytest.mark.parametrize(
    "chosen",
    [
        ("kafka.security=SSL",),
        ("kafka.security=SSL", "kafka.caSecret.name=ca"),
        ("kafka.security=SASL_PLAINTEXT",),
        ("kafka.security=SASL_SSL", "kafka.saslMechanism=PLAIN"),
        (*CERTIFICATES, "autoscaling.consumers.authentication=mine"),
        (*TOKENS, "autoscaling.consumers.authentication=mine"),
    ],
)
def test_every_way_into_kafka_renders_valid_objects(chosen: tuple[str, ...], tmp_path: Path) -> None:
    all_on = ("autoscaling.consumers.enabled=true", "networkPolicies.enabled=true")
    done = kubeconform(rendered("small", *choose(*all_on, *chosen)), KUBERNETES[-1], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("kafka.clientCertificates=true",), "kafka.clientCertificates: needs security SSL"),
        (("kafka.security=SASL_PLAINTEXT", "kafka.saslMechanism=PLAIN"), "need security SASL_SSL"),
        (
            ("kafka.security=SASL_SSL", "kafka.saslMechanism=PLAIN", "kafka.strimzi.enabled=true"),
            "Strimzi's users have a SCRAM-SHA-512 password",
        ),
        (
            ("kafka.security=SSL", "kafka.strimzi.enabled=true"),
            "Strimzi's users are known by their certificates",
        ),
    ],
)
def test_protections_that_would_not_be_there_are_refused(changes: tuple[str, ...], words: str) -> None:
    assert words in refused("mortarboard", *choose(*changes, "kafka.strimzi.cluster=kafka"))


def test_a_name_that_pods_could_not_be_labelled_with_is_refused() -> None:
    assert "too long by 1 characters" in refused("a" * 18)
    assert helm("template", "a" * 17, str(CHART), *SMALL).returncode == 0


SMALL = ("--kube-version", "1.37.0", "--values", str(CHART / "values-small.yaml"))


def refused(release: str, *chosen: str) -> str:
    done = helm("template", release, str(CHART), *SMALL, *chosen)
    assert done.returncode != 0
    return done.stderr
