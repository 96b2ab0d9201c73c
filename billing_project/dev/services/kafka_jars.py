"""Download Apache Kafka into a new folder, without Maven. Run as a script:

    python -I kafka_jars.py FOLDER

A script of its own: it runs once in a machine's life, and jgo takes a third of a second to load.
"""

import shutil
import sys
from pathlib import Path

from jgo.maven import MavenContext

COORDINATES = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")


def main(folder: Path) -> None:
    """Leaves the jars in `folder`, and nothing anywhere else. Raises `OSError` or `RuntimeError` (not found)."""
    # Without a place named here it would write to ~/.m2.
    repository = folder / "repository"
    maven = MavenContext(repo_cache=repository)
    named, implied = maven.resolver.resolve([maven.create_dependency(each) for each in COORDINATES])
    for dependency in (*named, *implied):
        jar = dependency.artifact.resolve()
        jar.rename(folder / jar.name)
    shutil.rmtree(repository)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (OSError, RuntimeError) as problem:
        sys.exit(f"{type(problem).__name__}: {problem}")
