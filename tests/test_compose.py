"""`docker-compose.yml` and `Dockerfile`, as text: no container engine is here, so nothing is built or
started.

The compose file is read by a parser of the Compose Specification, which refuses unknown keys and wrong types;
that it keeps the container locked in is asserted key by key.
"""

from __future__ import annotations

import re
from pathlib import Path

import compose_spec
import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, object]]:
    loaded: dict[str, dict[str, object]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return loaded


def test_the_compose_file_obeys_the_compose_specification() -> None:
    options = compose_spec.PyOptions(apply_merge=True)
    compose = options.from_yaml(COMPOSE.read_text())
    compose.validate()
    assert sorted(compose.service_names()) == ["models", "surtitle"]


@pytest.mark.parametrize("name", ["models", "surtitle"])
def test_every_container_runs_without_privileges_on_a_read_only_disk(
    services: dict[str, dict[str, object]], name: str
) -> None:
    service = services[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "network_mode" not in service


def test_nothing_but_this_machine_reaches_the_server(services: dict[str, dict[str, object]]) -> None:
    assert services["surtitle"]["ports"] == ["127.0.0.1:8765:8765"]
    assert "ports" not in services["models"]


def test_the_server_starts_once_the_models_are_there_and_can_not_change_them(
    services: dict[str, dict[str, object]],
) -> None:
    assert services["surtitle"]["depends_on"] == {"models": {"condition": "service_completed_successfully"}}
    assert services["surtitle"]["volumes"] == ["models:/models:ro"]
    assert services["models"]["volumes"] == ["models:/models"]


def test_the_health_check_asks_the_server_by_its_own_python(services: dict[str, dict[str, object]]) -> None:
    check = services["surtitle"]["healthcheck"]
    assert isinstance(check, dict)
    assert check["test"][:3] == ["CMD", "python", "-c"]
    compile(check["test"][3], "healthcheck", "exec")
    assert "http://127.0.0.1:8765/health" in check["test"][3]


def test_the_image_runs_as_the_user_that_owns_the_models() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert "useradd --uid 10001" in text
    assert "install -d -o surtitle -g surtitle /models" in text


def test_the_image_installs_the_pytorch_that_the_project_names() -> None:
    pinned = re.search(r'"(torch==[^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned is not None
    assert pinned[1] in (ROOT / "Dockerfile").read_text()


def test_everything_that_the_image_copies_is_let_through_the_ignore_file() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    assert {name for line in copied for name in line.split()} == let_through
