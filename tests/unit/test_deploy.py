"""What `deploy/` has: compose, Helm, systemd and Prometheus are read by the programs and schemas that they are for."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from ruamel.yaml import YAML

from accord.app import open_node
from accord.keys.file import FileKeyStore, load_passphrase
from accord.settings import Settings, read_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent
CHART = DEPLOY / "helm" / "accord"
KUBERNETES = "1.37"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
ORCHESTRATORS = ["orchestrator-1", "orchestrator-2"]

EVERYTHING: dict[str, Any] = {
    "replicas": 3,
    "trustedProxies": ["10.0.0.0/8"],
    "settings": {"ACCORD_MAX_RUNS": 5, "ACCORD_OPEN_METRICS": False},
    "ingress": {"enabled": True, "host": "accord.example.org", "tlsSecret": "accord-tls", "className": "nginx"},
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "podAnnotations": {"a": "b"},
    "dashboard": {"enabled": True},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"a": "b"}},
}


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def needed(module: str) -> Any:
    """A package that only tests of `deploy/` need."""
    if os.environ.get("CI") and sys.platform == "linux" and os.uname().machine == "x86_64":
        return __import__(module)
    return pytest.importorskip(module)


def settings_of(variables: dict[str, str], home: Path) -> Settings:
    """What Accord makes of these variables: one that it does not know is refused."""
    ours = {name: value for name, value in variables.items() if name.startswith("ACCORD_")}
    return read_settings(ours, home=home)


# -- compose -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> Any:
    return read(DEPLOY / "compose.yaml")


def test_compose_keeps_the_specification(compose: Any) -> None:
    read_by = needed("compose_spec").PyCompose.from_json(orjson.dumps(compose).decode())
    assert set(read_by.service_names()) == set(compose["services"])


def test_compose_reads_it_itself(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose here")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    subprocess.run([docker, "compose", "config", "--quiet"], cwd=tmp_path / "deploy", check=True)


def test_the_orchestrators_are_equal_and_all_that_they_name_is_there(compose: Any) -> None:
    services = compose["services"]
    assert services["orchestrator-1"] == services["orchestrator-2"]
    for name, service in services.items():
        assert re.fullmatch(r"[a-z/]+:v?\d[\d.]*", service["image"]), name
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in compose["volumes"], volume


def test_orchestrators_start_when_what_they_need_is_there(compose: Any) -> None:
    services = compose["services"]
    conditions = {name: one["condition"] for name, one in services["orchestrator-1"]["depends_on"].items()}
    assert conditions["prepare"] == "service_completed_successfully"
    assert services["nats"]["depends_on"]["bus-users"]["condition"] == "service_completed_successfully"
    assert services["prepare"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_accord_knows_every_variable_of_compose(compose: Any, tmp_path: Path) -> None:
    known = settings_of(compose["services"]["orchestrator-1"]["environment"], tmp_path)
    assert known.store is not None
    assert known.bus is not None
    assert known.trusted_proxies == (compose["networks"]["default"]["ipam"]["config"][0]["subnet"],)
    assert settings_of(compose["services"]["prepare"]["environment"], tmp_path) == known


def test_prepare_is_told_all_that_it_asks_for(compose: Any) -> None:
    script = (DEPLOY / "prepare.sh").read_text()
    told = {**compose["services"]["prepare"]["environment"], **compose["services"]["bus-users"]["environment"]}
    asked = set(re.findall(r"\$([A-Z][A-Z_]+)", script)) - {"ACCORD_HOME", "ACCORD_STORE_PASSWORD_FILE"}
    assert asked <= set(told)


def test_the_proxy_and_prometheus_know_the_orchestrators(compose: Any) -> None:
    nginx = (DEPLOY / "nginx" / "nginx.conf").read_text()
    assert sorted(set(re.findall(r"server (\S+):8421", nginx))) == ORCHESTRATORS
    (job,) = read(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{name}:8421" for name in ORCHESTRATORS]
    assert job["authorization"]["credentials_file"] == compose["services"]["prepare"]["environment"]["METRICS_KEY_FILE"]


# -- the image ---------------------------------------------------------------------------------------------------


def test_what_the_image_copies_is_there_and_is_let_in() -> None:
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for line in re.findall(r"^COPY (.+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        words = [word for word in shlex.split(line) if not word.startswith("--chmod")]
        for source in [] if words[0].startswith("--from") else words[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source.removeprefix('./')}" in let_in, source


# -- Helm --------------------------------------------------------------------------------------------------------


def rendered(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    helm = needed("helm_python")
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        for name, text in chart.render(values, name="demo", namespace="prod").items():
            if not name.endswith(".txt"):
                yield from (document for document in YAML(typ="safe").load_all(text) if document is not None)


def test_helm_finds_nothing_wrong_with_the_chart() -> None:
    told = needed("helm_python").lint(str(CHART), strict=True)
    assert [one for one in told["messages"] if one["error"] != "icon is recommended"] == []
    assert told["errors"] == []


@pytest.mark.parametrize(
    ("values", "kinds"), [({}, 3), (EVERYTHING, 5), ({"replicas": 1}, 2)], ids=["bare", "all", "one"]
)
def test_what_the_chart_gives_keeps_the_schemas_of_kubernetes(values: dict[str, Any], kinds: int) -> None:
    documents = list(rendered(values))
    assert len(documents) == kinds
    for document in documents:
        needed("kubernetes_validate").validate(document, KUBERNETES, strict=True)


def test_metrics_are_read_of_each_replica() -> None:
    monitors = [one for one in rendered({"serviceMonitor": {"enabled": True}}) if one["kind"] == "ServiceMonitor"]
    (service,) = [one for one in rendered({}) if one["kind"] == "Service"]
    selected = monitors[0]["spec"]["selector"]["matchLabels"].items()
    assert selected <= service["metadata"]["labels"].items()


def test_the_alerts_of_the_chart_are_those_of_prometheus_about_its_own_service() -> None:
    given = {"prometheusRule": {"enabled": True, "labels": {"release": "kube"}}}
    (rule,) = [one for one in rendered(given) if one["kind"] == "PrometheusRule"]
    (service,) = [one for one in rendered({}) if one["kind"] == "Service"]
    written = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    assert 'job="accord"' in written
    expected = written.replace('job="accord"', f'job="{service["metadata"]["name"]}"')
    assert rule["spec"] == YAML(typ="safe").load(expected)
    assert rule["metadata"]["labels"]["release"] == "kube"


def test_the_dashboard_of_the_chart_is_that_of_grafana() -> None:
    (found,) = [one for one in rendered({"dashboard": {"enabled": True}}) if one["kind"] == "ConfigMap"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert orjson.loads(found["data"]["accord.json"]) == read(DEPLOY / "grafana" / "dashboards" / "accord.json")


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 0},
        {"prometheusRule": {"on": True}},
        {"stor": {}},
        {"store": {"url": "mysql://a@b/c", "secret": "x"}},
        {"ingress": {"enabled": True}},
    ],
)
def test_values_that_cannot_be_are_refused(values: dict[str, Any]) -> None:
    helm = needed("helm_python")
    with helm.Chart.load(str(CHART)) as chart, pytest.raises(helm.HelmError):
        chart.validate_schema(values)


def pod(values: dict[str, Any]) -> Any:
    (deployment,) = [one for one in rendered(values) if one["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]


def test_accord_knows_every_variable_of_the_chart(tmp_path: Path) -> None:
    (container,) = pod(EVERYTHING)["containers"]
    known = settings_of({one["name"]: one["value"] for one in container["env"]}, tmp_path)
    assert known.max_runs == 5
    assert known.trusted_proxies == ("10.0.0.0/8",)
    assert pod(EVERYTHING)["terminationGracePeriodSeconds"] > known.drain_within_s


async def test_keys_of_a_secret_are_usable_once_they_are_copied(tmp_path: Path) -> None:
    """A Secret's files belong to root and may be read by a group: Accord refuses keys like that."""
    async with open_node(Settings(home=tmp_path / "made")) as node:
        key = node.parts.identity.key
    secret = tmp_path / "secret"
    secret.mkdir()
    for path in (*(tmp_path / "made" / "keys").glob("*.pem"), tmp_path / "made" / "passphrase"):
        (secret / path.name).write_bytes(path.read_bytes())
        (secret / path.name).chmod(0o440)
    (init,) = pod({})["initContainers"]
    command = [word.replace("/run/accord/keys", str(secret)) for word in init["command"]]
    home = tmp_path / "home"
    environment = {"PATH": os.environ["PATH"], "ACCORD_HOME": str(home)}
    await asyncio.to_thread(subprocess.run, command, env=environment, check=True)
    passphrase = load_passphrase(home / "passphrase", home / "keys", makes=False)
    async with FileKeyStore.open(home / "keys", passphrase) as keys:
        assert await keys.public("orchestrator") == key


# -- systemd -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed")
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: Path, analyze: str, tmp_path: Path) -> None:
    shutil.copytree(unit.parent, tmp_path, dirs_exist_ok=True)
    copy = tmp_path / unit.name
    text = unit.read_text()
    assert "/opt/accord/bin/accord" in text
    copy.write_text(text.replace("/opt/accord/bin/accord", sys.executable))  # it has to exist
    done = subprocess.run([analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if tmp_path.name in line or unit.stem in line]
    assert said == []
    assert done.returncode == 0


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_may_do_little(unit: Path, analyze: str) -> None:
    """`systemd-analyze security` counts exposure from 0 to 10, here in tenths."""
    subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=15", str(unit)], check=True, capture_output=True
    )


def test_accord_knows_every_variable_of_the_units(tmp_path: Path) -> None:
    for path in (*UNITS, *(DEPLOY / "systemd").glob("*.d/*.conf")):
        given = " ".join(re.findall(r"^Environment=(.*)", path.read_text(), re.MULTILINE)).replace("%", "")
        assert settings_of(dict(word.split("=", 1) for word in given.split()), tmp_path)
