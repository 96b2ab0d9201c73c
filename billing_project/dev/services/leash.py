"""Turn into a server that dies with the process which wanted it. Run as a script, on the standard library alone.

    python -I -S leash.py PARENT_PID DEATH_SIGNAL USER_ID GROUP_ID COMMAND [ARGUMENT ...]

A script of its own instead of Popen's `preexec_fn`: Python code between fork and exec can deadlock in a
process with threads, and every parent here has some (librdkafka's).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Never returns: the command takes over this process, with its pid and its open files."""
    parent, death_signal, user, group = (int(number) for number in arguments[:4])
    command = arguments[4:]
    if user != os.geteuid():
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    # After the change of user, which would clear it. macOS has no such call: there only an orderly stop ends it.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent ended before the start")
    # Python ignores SIGPIPE, and what is ignored stays so in the command.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - that there is no shell is the point


if __name__ == "__main__":
    main(sys.argv[1:])
