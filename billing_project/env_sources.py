"""Where settings come from: the environment, `.env`, and files that hold a value (`NAME_FILE`)."""

import os
from pathlib import Path

from dotenv import dotenv_values


class EnvInvalid(Exception):
    """One line per setting that is missing or wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def variables() -> dict[str, str]:
    """What is set, in `.env` or, stronger, in the environment; empty means not set. Raises `EnvInvalid`."""
    try:
        in_file = dotenv_values(".env")
    except UnicodeDecodeError:
        raise EnvInvalid([".env: is not UTF-8 text: save it as UTF-8"]) from None
    except OSError as error:
        raise EnvInvalid([f".env: can't be read ({error.strerror}): make it readable, or remove it"]) from None
    found = {name: value for name, value in in_file.items() if value}
    return found | {name: value for name, value in os.environ.items() if value}


def read_file(variable: str, path: str) -> str:
    """What the file that a `NAME_FILE` names holds. Raises `EnvInvalid`."""
    # Says nothing of the path: somebody may have put the secret itself there.
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise EnvInvalid([f"{variable}: can't be read ({why}): name a readable file"]) from None
