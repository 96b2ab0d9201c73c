"""A process whose clock jumps: `python shifted.py FILE manage.py bridge`. The file says by how many seconds.

Run by its path, as it also starts the product's former versions, which are in another folder. Clocks that only go
forward (`time.monotonic`) are left alone, as a real jump leaves them.
"""

import faulthandler
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

import time_machine

LOOK_EVERY = 0.2
# Have it write into its log where each of its threads is. Celery has uses for the usual ones.
SAY_WHERE = signal.SIGRTMIN + 1


def follow(path: Path) -> None:
    """Have the clock differ by what the file says, for ever."""
    shift, travel = 0.0, None
    while True:
        wanted = float(path.read_text() or 0) if path.exists() else 0.0
        if wanted != shift:
            if travel is not None:
                travel.stop()
                travel = None
            if wanted:
                travel = time_machine.travel(time.time() + wanted, tick=True)
                travel.start()
            shift = wanted
        time.sleep(LOOK_EVERY)


def main() -> None:
    """Become the command."""
    _, file, command, *arguments = sys.argv

    def begin() -> None:
        threading.Thread(target=follow, args=(Path(file),), name="clock", daemon=True).start()

    # gunicorn's workers are forks, and threads don't survive one.
    os.register_at_fork(after_in_child=begin)
    begin()
    faulthandler.register(SAY_WHERE)
    sys.path[0] = str(Path.cwd())
    if command == "-m":
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [command, *arguments]
        runpy.run_path(command, run_name="__main__")


if __name__ == "__main__":
    main()
