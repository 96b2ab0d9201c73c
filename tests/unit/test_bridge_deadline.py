"""What isn't over in time ends the process."""

import subprocess
import sys

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
