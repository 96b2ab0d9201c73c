"""Carries out a Dockerfile without Docker, stage by stage, each in a folder that stands for its root.

Absolute paths are put below that folder. What needs root, and what belongs to the base image, is left out and named.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# They make a user, or give a folder to it.
NEED_ROOT = ("useradd", "install --directory --owner")


@dataclass
class Stage:
    """What came of a stage: its root, its last WORKDIR, ENV and CMD, and the commands that were left out."""

    root: Path
    folder: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    cmd: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def place(self, path: str) -> Path:
        """Where an absolute path, or one in the working directory, is on this machine."""
        return self.root / (path if path.startswith("/") else f"{self.folder}/{path}").lstrip("/")


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each with its arguments, comments and broken lines put right."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, arguments = line.strip().partition(" ")
            yield name, re.sub(r"\s+", " ", arguments.strip())


def build(dockerfile: Path, *, into: Path) -> dict[str, Stage]:
    """Every stage by name. A step that fails is raised with what it said."""
    context = _context(dockerfile.parent, into / "context")
    stages: dict[str, Stage] = {}
    stage = Stage(root=into)
    for name, arguments in instructions(dockerfile.read_text()):
        match name:
            case "FROM":
                base, _, called = arguments.partition(" AS ")
                stage = stages[called] = _begin(into / called, stages.get(base))
            case "RUN":
                for step in arguments.split(" && "):
                    _run(stage, step)
            case "COPY":
                _copy(stage, arguments, context=context, stages=stages)
            case "WORKDIR":
                stage.folder = arguments
                stage.place(arguments).mkdir(parents=True, exist_ok=True)
            case "ENV":
                stage.env |= dict(part.split("=", 1) for part in shlex.split(arguments))
            case "CMD":
                stage.cmd = json.loads(arguments)
            case "ARG" | "USER" | "EXPOSE" | "HEALTHCHECK":
                pass
            case _:
                raise ValueError(f"no idea how to carry out {name}")
    return stages


def _begin(root: Path, base: Stage | None) -> Stage:
    root.mkdir(parents=True)
    if base is None:
        return Stage(root=root)
    _copy_tree(base.root, root)
    return Stage(root=root, folder=base.folder, env=dict(base.env))


def _run(stage: Stage, step: str) -> None:
    if step.startswith(NEED_ROOT):
        stage.left_out.append(step)
        return
    here = re.sub(r"(?<![\w.])/(?=opt/|requirements/|app/|var/)", f"{stage.root}/", step)
    here = re.sub(r"^python ", f"{sys.executable} ", here)
    done = subprocess.run(
        ["/bin/sh", "-ec", here], cwd=stage.place(stage.folder), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"


def _copy(stage: Stage, arguments: str, *, context: Path, stages: dict[str, Stage]) -> None:
    *sources, target = arguments.split()
    there = context
    if sources[0].startswith("--from="):
        there = stages[sources.pop(0).removeprefix("--from=")].root
    for source in sources:
        found, into = there / source.lstrip("/"), stage.place(target)
        if found.is_dir():
            _copy_tree(found, into, old=there, new=stage.root)
        else:
            into = into / found.name if target.endswith("/") else into
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, into)


def _copy_tree(source: Path, target: Path, *, old: Path | None = None, new: Path | None = None) -> None:
    """A virtual environment names its own place in its scripts; in an image that is the same place."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    before, after = str(old or source).encode(), str(new or target).encode()
    for script in (*target.glob("**/venv/bin/*"), *target.glob("bin/*")):
        if not script.is_symlink() and script.is_file() and (text := script.read_bytes()).startswith(b"#!"):
            script.write_bytes(text.replace(before, after))


def _context(source: Path, target: Path) -> Path:
    """What .dockerignore lets in: names after `!`, less those that follow without."""
    lines = [line for line in (source / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    kept_out = {source / line for line in lines if line[0] not in "*!"}

    def ignore(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name == "__pycache__" or Path(folder) / name in kept_out}

    for name in (line[1:] for line in lines if line[0] == "!"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=ignore)
        else:
            shutil.copy2(source / name, target / name)
    return target
