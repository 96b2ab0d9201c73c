"""What `docker compose` makes of docker-compose.yml, read without Docker: files included, variables put in, defaults.

Only what the file uses. `make deploy-check` compares all of it with the library that Compose itself reads files with.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:[-+])([^{}]*))?\})")


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: `environment` is all that its container gets, and `raw` all that stands in the file."""

    name: str
    command: list[str]
    environment: dict[str, str]
    raw: dict[str, Any]

    @property
    def health(self) -> list[str]:
        """The command of its health check, as it is executed."""
        kind, *command = self.raw["healthcheck"]["test"]
        return ["/bin/sh", "-c", *command] if kind == "CMD-SHELL" else command

    @property
    def grace(self) -> float:
        """Seconds between SIGTERM and SIGKILL."""
        return float(str(self.raw.get("stop_grace_period", "10s")).removesuffix("s"))


def read(*, variables: Mapping[str, str], dotenv: Path | None = None) -> dict[str, Service]:
    """Services by name, those of profiles too, for one who has set these variables, some of them in `.env`."""
    in_file = {name: value or "" for name, value in dotenv_values(dotenv).items()} if dotenv else {}
    known = in_file | dict(variables)
    model = load(FILE, known)
    return {
        name: Service(
            name=name, command=_words(raw.get("command", [])), raw=raw,
            environment=_environment(raw, FILE.parent, in_file),
        )
        for name, raw in model["services"].items()
    }  # fmt: skip


def load(file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The model of a file, with the services of those that it includes and extends."""
    model: dict[str, Any] = _put_in(yaml.safe_load(file.read_text()), variables)
    services: dict[str, Any] = {}
    for included in model.pop("include", []):
        other = load(file.parent / included["path"], variables)
        services |= other["services"]
        model["volumes"] = {**model.get("volumes", {}), **other.get("volumes", {})}
    for name, raw in model["services"].items():
        base = raw.pop("extends", None)
        inherited = load(file.parent / base["file"], variables)["services"][base["service"]] if base else {}
        services[name] = inherited | raw
    return model | {"services": services}


def _put_in(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _put_in(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_put_in(one, variables) for one in value]
    return _VARIABLE.sub(lambda match: _value(match, variables), value) if isinstance(value, str) else value


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    dollar, name, operator, other = match.groups()
    if dollar:
        return "$"
    given = variables.get(name, "")
    match operator:
        case ":-":
            return given or other
        case ":+":
            return other if given else ""
        case _:
            return given


def _environment(raw: Mapping[str, Any], folder: Path, in_dotenv: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in raw.get("env_file", []):
        if file["path"] == ".env":
            found |= in_dotenv
        elif (folder / file["path"]).exists():
            found |= {name: value or "" for name, value in dotenv_values(folder / file["path"]).items()}
    return found | {name: str(value) for name, value in raw.get("environment", {}).items()}


def _words(command: str | list[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else command
