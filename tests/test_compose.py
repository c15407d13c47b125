"""`docker-compose.yml` and `Dockerfile`, as text: no container engine is here, so nothing is built or
started.

The compose file is read by a parser of the Compose Specification, which refuses unknown keys and wrong types;
that it keeps the container locked in is asserted key by key.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import compose_spec
import pytest
import yaml
from certificates import written
from e2e_running import free_port

from surtitle.pipeline.cli import build_parser
from surtitle.pipeline.given import server_of
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tls import load_tls

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
    assert sorted(compose.service_names()) == ["caddy", "models", "surtitle"]


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
    assert services["caddy"]["profiles"] == ["https"]  # which is started by those alone who ask for it


def test_the_server_starts_once_the_models_are_there_and_can_not_change_them(
    services: dict[str, dict[str, object]],
) -> None:
    assert services["surtitle"]["depends_on"] == {"models": {"condition": "service_completed_successfully"}}
    assert services["surtitle"]["volumes"] == ["models:/models:ro", "data:/data"]
    assert services["models"]["volumes"] == ["models:/models"]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_the_health_check_finds_a_server_with_tls_and_without(
    services: dict[str, dict[str, object]], encrypted: bool, tmp_path: Path
) -> None:
    context = load_tls(*written(tmp_path, "a"), print) if encrypted else None
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tls=context) as server:
        assert await health(services, server.port) == 0


async def test_the_health_check_fails_where_nobody_listens(services: dict[str, dict[str, object]]) -> None:
    assert await health(services, free_port()) != 0


async def health(services: dict[str, dict[str, object]], port: int) -> int:
    """The exit status of the health check of a server at another port."""
    check = services["surtitle"]["healthcheck"]
    assert isinstance(check, dict)
    how, python, *arguments = check["test"]
    assert (how, python) == ("CMD", "python")
    moved = [each.replace(":8765/", f":{port}/") for each in arguments]
    # of all containers, where Docker is told of one
    proxied = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    nowhere = asyncio.subprocess.DEVNULL
    ran = await asyncio.create_subprocess_exec(sys.executable, *moved, env={**os.environ, **proxied}, stderr=nowhere)
    return await ran.wait()


def filled(value: object, **environment: str) -> str:
    """What Compose makes of `${NAME:-DEFAULT}`."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: environment.get(found[1]) or found[2], str(value))


def told(heading: str) -> list[str]:
    """The lines of code in a section of the README."""
    section = (ROOT / "README.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line[4:] for line in section.splitlines() if line.startswith("    ")]


def environment() -> dict[str, str]:
    """The file `.env` that the README shows."""
    lines = [line.split("=", 1) for line in told("In a container") if re.match(r"[A-Z_]+=", line)]
    return {name: value for name, value in lines}


def test_without_settings_everybody_on_this_machine_may_speak(services: dict[str, dict[str, object]]) -> None:
    args = build_parser().parse_args(filled(services["surtitle"]["command"]).split())
    assert (args.host, args.port, args.allow_remote, args.tokens, args.allow_origin) == (
        "0.0.0.0",
        8765,
        True,
        None,
        [],
    )


def test_with_the_readmes_settings_tokens_are_asked_for_and_the_proxy_is_known(
    services: dict[str, dict[str, object]],
) -> None:
    settings = environment()
    assert settings["COMPOSE_PROFILES"] in services["caddy"]["profiles"]  # type: ignore[operator]
    args = build_parser().parse_args(shlex.split(filled(services["surtitle"]["command"], **settings)))
    assert not args.allow_remote
    assert (args.tokens, args.record) == (Path("/data/tokens.toml"), Path("/data/records"))
    assert args.allow_origin == [f"https://{settings['CAPTIONS_SITE']}"]
    caddy = [filled(each, **settings) for each in services["caddy"]["command"]]  # type: ignore[attr-defined]
    assert caddy == ["caddy", "reverse-proxy", "--from", settings["CAPTIONS_SITE"], "--to", "surtitle:8765"]


def test_with_whatever_flags_the_readme_shows_the_server_is_told_who_may_speak(
    services: dict[str, dict[str, object]],
) -> None:
    section = (ROOT / "README.md").read_text().partition("\n## In a container\n")[2].partition("\n## ")[0]
    shown = re.findall(r"CAPTIONS_FLAGS=([^`\n]+)", section)
    assert len(shown) == 2
    for flags in shown:
        words = shlex.split(filled(services["surtitle"]["command"], CAPTIONS_FLAGS=flags))
        args = build_parser().parse_args(words)
        if args.tokens is None:
            server_of(args)  # raises UsageError where nobody said that others may speak


def test_the_settings_that_the_compose_file_names_are_the_readmes() -> None:
    shown = dict(re.findall(r"^#   ([A-Z_]+)=(.*)$", COMPOSE.read_text(), re.M))
    assert shown.keys() == environment().keys()
    assert all(environment()[name].startswith(value) for name, value in shown.items())
    assert set(re.findall(r"\$\{(CAPTIONS_\w+)", COMPOSE.read_text())) == shown.keys() - {"COMPOSE_PROFILES"}


def test_the_readmes_commands_in_containers_are_the_programs() -> None:
    runs = [shlex.split(line) for line in told("In a container") if line.startswith("docker compose run ")]
    for words in runs:
        arguments = [word for word in words[3:] if word not in ("--rm", "--no-deps")]
        assert build_parser().parse_args(arguments[1:]).run
    assert any("/data/tokens.toml" in words for words in runs)


def test_a_proxy_without_a_site_answers_nobody(services: dict[str, dict[str, object]]) -> None:
    assert ".invalid" in filled(services["caddy"]["command"])  # a name that nobody can get (RFC 6761)


def test_the_proxy_may_bind_its_ports_and_nothing_else(services: dict[str, dict[str, object]]) -> None:
    caddy = services["caddy"]
    assert (caddy["ports"], caddy["read_only"]) == (["80:80", "443:443"], True)
    assert (caddy["cap_drop"], caddy["cap_add"]) == (["ALL"], ["NET_BIND_SERVICE"])
    assert caddy["security_opt"] == ["no-new-privileges:true"]
    assert caddy["depends_on"] == {"surtitle": {"condition": "service_healthy"}}


def test_the_image_runs_as_the_user_that_owns_the_models_and_the_data() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert "useradd --uid 10001" in text
    assert "install -d -o surtitle -g surtitle /models /data\n" in text  # a new volume takes its owner from there


def test_the_image_installs_the_pytorch_that_the_project_names() -> None:
    pinned = re.search(r'"(torch==[^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned is not None
    assert pinned[1] in (ROOT / "Dockerfile").read_text()


def test_everything_that_the_image_copies_is_let_through_the_ignore_file() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    assert {name for line in copied for name in line.split()} == let_through
