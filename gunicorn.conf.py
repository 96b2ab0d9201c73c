"""How gunicorn serves the web process: `gunicorn billing_project.wsgi` finds this file by itself."""

from pathlib import Path

bind = "0.0.0.0:8000"
# Staff, probes and webhooks: threads wait for the database, one process is enough for thousands of requests a minute.
worker_class = "gthread"
threads = 8
# Loaded once before the fork, so that a wrong setting ends the process with its one line, instead of a worker again
# and again.
preload_app = True
# In memory: the root file system may be read-only.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
graceful_timeout = 20
# Nobody uses it, and it would make a socket in the home folder.
control_socket_disable = True
