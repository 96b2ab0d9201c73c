"""What isn't over in time ends the process."""

import os
import subprocess
import sys

from tests.placeholders import PLACEHOLDERS

PROGRAM = """
import sys, time
from bridge.deadline import ended_within
with ended_within(seconds=float(sys.argv[1]), what="leaving the consumer group"):
    time.sleep(float(sys.argv[2]))
time.sleep(float(sys.argv[3]))
"""


def run(*seconds: str) -> subprocess.CompletedProcess[str]:
    """A process with a deadline, a block, and what follows, each of so many seconds."""
    return subprocess.run([sys.executable, "-c", PROGRAM, *seconds], capture_output=True, text=True, timeout=30)


def test_what_hangs_ends_the_process_with_one_line() -> None:
    """Exit code 1, so that somebody starts it again."""
    ended = run("0.1", "30", "0")
    assert ended.returncode == 1
    [line] = (ended.stdout + ended.stderr).splitlines()
    assert "ended by force" in line
    assert "leaving the consumer group was not over in time" in line


def test_what_is_over_in_time_goes_on() -> None:
    """The deadline ends with the block."""
    ended = run("0.2", "0", "0.4")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


LEAVES = """
import time, django
django.setup()
from bridge.kafka import source

class Hangs:
    def poll(self, seconds):
        pass
    def close(self):
        time.sleep(30)

source.CLOSE_TIMEOUT = 0.2
member = source.Source()
member._consumer = Hangs()
member.close()
"""


def test_a_kafka_that_hangs_keeps_no_bridge_for_ever() -> None:
    """Its client's own word that it leaves has no time-out."""
    env = os.environ | PLACEHOLDERS | {"DJANGO_SETTINGS_MODULE": "billing_project.settings"}
    ended = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, timeout=30, env=env)
    assert ended.returncode == 1, ended.stderr
    assert "leaving the consumer group was not over in time" in ended.stdout + ended.stderr
