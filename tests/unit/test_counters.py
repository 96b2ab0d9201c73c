"""Counters of the worker: a task that has ended is counted by how, and timed where somebody saw it begin."""

from payments import counters


def value(name: str, **labels: str) -> float:
    """What Prometheus would read."""
    return counters.WORKER.get_sample_value(name, labels) or 0.0


def test_a_task_is_counted_by_how_it_ended_and_timed() -> None:
    """In seconds; Celery's states in small letters, as all labels are."""
    counters.count_task(task="test.timed", state="SUCCESS", seconds=0.25)
    assert value("billing_worker_tasks_total", task="test.timed", state="success") == 1
    assert value("billing_worker_task_seconds_sum", task="test.timed") == 0.25


def test_a_task_that_nobody_saw_begin_is_counted_and_not_timed() -> None:
    """Revoked before its turn: it took no time, and 0 s would be a quick one."""
    counters.count_task(task="test.revoked", state="REVOKED", seconds=None)
    assert value("billing_worker_tasks_total", task="test.revoked", state="revoked") == 1
    assert counters.WORKER.get_sample_value("billing_worker_task_seconds_count", {"task": "test.revoked"}) is None
