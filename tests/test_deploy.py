"""What deploy/ names exists: paths, commands, settings and metrics."""

import configparser
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from serving.settings import Settings
from tests.conftest import ROOT, Served, StartServer, grey_png

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "verdict-line.service"


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return parser


def in_repository(path: str) -> Path:
    """Where a path of the installed unit is in the repository."""
    return ROOT / Path(path).relative_to("/opt/verdict-line")


def test_the_unit_starts_a_command_that_exists() -> None:
    command = shlex.split(unit()["Service"]["ExecStart"])
    assert command[:4] == ["/opt/verdict-line/.venv/bin/python", "-m", "serving", "serve"]
    assert in_repository(command[command.index("--config") + 1]).is_file()
    name, _, path = unit()["Service"]["Environment"].partition("=")
    assert name.removeprefix("QC_").lower() in Settings.model_fields
    assert in_repository(path).is_file()
    (documentation,) = re.findall(r"file://(\S+)", unit()["Unit"]["Documentation"])
    assert in_repository(documentation).is_file()


def test_the_unit_is_hardened() -> None:
    service = unit()["Service"]
    for option in ("DynamicUser", "NoNewPrivileges", "PrivateDevices", "ProtectHome"):
        assert service[option] == "yes", option
    assert service["ProtectSystem"] == "strict"
    assert service["Restart"] == "always"
    assert "WatchdogSec" not in service, "the server does not notify systemd"
    assert "ProcSubset" not in service, "onnxruntime reads in /proc/cpuinfo what the processor can do"
    assert int(service["LimitNOFILE"]) > 1024


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    # It also checks that the executable and the documentation exist, which only an installation has.
    text = UNIT.read_text().replace("/opt/verdict-line/.venv/bin/python", "/bin/true")
    copy.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert UNIT.name not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def container_lines() -> list[list[str]]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip()]


def test_everything_the_containerfile_copies_is_tracked() -> None:
    copies = [line[1:-1] for line in container_lines() if line[0] == "COPY" and not line[1].startswith("--from")]
    sources = [source for line in copies for source in line]
    assert sources
    for source in sources:
        tracked = subprocess.run(["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True)
        assert tracked.stdout, f"{source} is not in the repository"


def test_the_containerfile_runs_what_exists() -> None:
    lines = container_lines()
    whole = "\n".join(" ".join(line) for line in lines)
    scripts = json.loads((ROOT / "inspector_ui/package.json").read_text())["scripts"]
    for script in re.findall(r"npm run (\w+)", whole):
        assert script in scripts
    extras = (ROOT / "pyproject.toml").read_text()
    for named in re.findall(r"'\.\[([\w,]+)\]'", whole):
        # What settings alone can ask for: a container is not installed into.
        assert {"oidc", "otel", "postgresql"} <= set(named.split(","))
        for extra in named.split(","):
            assert re.search(rf"^{extra} = \[", extras, re.MULTILINE)
    assert "[train]" not in whole and "torch" not in whole
    (command,) = [json.loads(" ".join(line[1:])) for line in lines if line[0] == "CMD"]
    copied = {line[-1]: line[-2] for line in lines if line[0] == "COPY"}
    for path in (command[command.index("--config") + 1], *re.findall(r"QC_ROI_ASSUMPTIONS=(\S+)", whole)):
        (target,) = [target for target in copied if path.startswith(f"{target}/")]
        assert (ROOT / copied[target] / Path(path).relative_to(target)).is_file()
    assert re.search(r"apt-get install \S.* postgresql-client-\$POSTGRESQL", whole), "backup calls pg_dump"
    assert ["USER", "verdict-line"] in lines
    assert any(line[0] == "HEALTHCHECK" for line in lines)
    assert lines.index(["USER", "verdict-line"]) < next(i for i, line in enumerate(lines) if line[0] == "ENTRYPOINT")


def test_every_metric_of_the_dashboard_and_the_alarms_is_scraped(server: Served) -> None:
    server.inspect(grey_png(0.1))
    families = text_string_to_metric_families(server.client.get("/metrics").text)
    known: set[str] = set()
    for family in families:
        known |= {sample.name for sample in family.samples} | {family.name}
        known |= {f"{family.name}_total"} if family.type == "counter" else set()
    dashboard = json.loads((DEPLOY / "grafana/verdict-line.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [variable["query"]["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    asked.append((DEPLOY / "prometheus.yml").read_text())
    names = {name for text in asked for name in re.findall(r"\b(?:qc|process)_\w+", text)}
    assert len(names) > 10
    assert names <= known, names - known


def test_the_scrape_example_scrapes_this_server() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{Settings().host}:{Settings().port}"]}]
    assert job["metrics_path"] == "/metrics"


def test_the_container_asks_its_server_where_the_settings_put_it(start_server: StartServer, tmp_path: Path) -> None:
    check = next(line for line in container_lines() if line[0] == "HEALTHCHECK")
    command = json.loads(" ".join(check[check.index("CMD") + 1 :]))
    file = ROOT / "configs/serving" / Path(command[command.index("--config") + 1]).name
    command[0], command[command.index("--config") + 1] = sys.executable, str(file)
    server = start_server()
    port = server.server.servers[0].sockets[0].getsockname()[1]

    def asked(port: int) -> int:
        return subprocess.run(command, env=os.environ | {"QC_PORT": str(port)}, cwd=ROOT, check=False).returncode

    assert asked(port) == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert asked(free.getsockname()[1]) == 1
