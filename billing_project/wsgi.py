"""What gunicorn serves: `gunicorn billing_project.wsgi`."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")

_django = get_wsgi_application()

from payments.heartbeats import heart_of  # noqa: E402  (Django has to be set up first)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """As WSGI says. Requests, and probes are some of them, show that this process is there."""
    heart_of("web").note()
    heart_of("web").start()
    return _django(environ, start_response)
