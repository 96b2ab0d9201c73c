"""Settings that let Django start where nothing is connected to: type checks, `makemigrations --check`, unit tests.

`python -m tests.placeholders manage.py COMMAND` runs a command with them.
"""

import os
import runpy
import sys
import warnings

PLACEHOLDERS = {
    "STRIPE_SECRET_KEY": "sk_test_placeholder",
    "KAFKA_BROKER": "127.0.0.1:9",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRET_KEY": "only-for-tests-and-type-checks-never-in-production",
}


def put(*, overwrite: bool = True) -> None:
    """Put them into the environment of this process."""
    for name, value in PLACEHOLDERS.items():
        if overwrite:
            os.environ[name] = value
        else:
            os.environ.setdefault(name, value)


if __name__ == "__main__":
    put()
    # makemigrations asks the database for its history and warns that it isn't there; here it never is.
    warnings.filterwarnings("ignore", message="Got an error checking a consistent migration history")
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
