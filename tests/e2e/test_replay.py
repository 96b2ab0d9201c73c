"""Ctrl-C in the middle of a replay, and what comes after it: as an operator's shell does it, at the real process."""

import json
import signal
import subprocess

from tests.e2e.deployment import PYTHON, ROOT, Deployment
from tests.e2e.failed import make_failed

JUDGING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    AND strpos(query, 'payments_attempt') > 0 AND backend_type = 'client backend' -- and not autovacuum
"""
DONE = "SELECT count(*) FROM payments_jobitem WHERE state = 'done'"


def begin(deployment: Deployment, *arguments: str) -> "subprocess.Popen[str]":
    """The command, under way."""
    return subprocess.Popen(
        [PYTHON, "manage.py", "replay_failed", *arguments], cwd=ROOT, env=deployment.env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_ctrl_c_stops_a_replay_and_the_line_that_it_prints_goes_on_with_it(deployment: Deployment) -> None:
    """Nothing is lost and nothing done twice; what is killed without a word is gone on with as well."""
    make_failed(deployment, 30)
    first = begin(deployment, "--rate", "10", "--reason", "bank was down", "--yes")
    deployment.wait_until(lambda: deployment.count(DONE) >= 3, what="some are done")
    first.send_signal(signal.SIGINT)
    printed, errors = first.communicate(timeout=30)
    assert (first.returncode, "Traceback" in errors) == (130, False)
    [(number, state, rate)] = deployment.rows("SELECT id, state, rate FROM payments_job")
    done = deployment.count(DONE)
    assert (state, rate, 3 <= done < 30) == ("stopped", 10, True)
    assert f"Job {number} is stopped by staff: command line: {done} of 30 are tried again" in printed
    [line] = [line for line in printed.splitlines() if line.startswith("To go on: manage.py replay_failed ")]

    again = begin(deployment, *line.split()[5:])
    deployment.wait_until(lambda: deployment.count(DONE) > done, what="it goes on")
    again.kill()
    again.communicate(timeout=30)
    # Its lease is what it leaves behind; a worker would wait for its end, and so would this.
    deployment.rows("UPDATE payments_job SET lease_until = NULL RETURNING id")
    last = deployment.command("replay_failed", "--job", str(number), "--yes", "--json")
    told = json.loads(last.stdout)
    assert (last.returncode, told["state"], told["done"], told["outcomes"]) == (0, "done", 30, {"pending": 30})
    # Each once, however often it was begun.
    tries = "SELECT count(*), count(DISTINCT payment_id) FROM payments_transition WHERE who = 'staff: command line'"
    assert deployment.rows(tries) == [(30, 30)]


def test_ctrl_c_before_anything_was_begun_leaves_nothing_behind(deployment: Deployment) -> None:
    """While thousands are judged: exit code 130, and no job."""
    make_failed(deployment, 5_000)
    judging = begin(deployment, "--reason", "bank was down", "--yes")
    deployment.wait_until(lambda: deployment.count(JUDGING) > 0, what="it judges")
    judging.send_signal(signal.SIGINT)
    _, errors = judging.communicate(timeout=30)
    assert (judging.returncode, "stopped before anything was changed" in errors) == (130, True)
    assert deployment.count("SELECT count(*) FROM payments_job") == 0
