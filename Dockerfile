# One image for all processes: the command says which one runs (see docker-compose.yml). Nothing of it runs as root,
# and nothing is written outside /tmp and /dev/shm, so the root file system may be read-only.
#
#   docker build --tag billing-payments:0.1.0 .
#
# The tag is exact. To pin the very bytes as well: --build-arg PYTHON_DIGEST=@sha256:…
ARG PYTHON_VERSION=3.11.15-slim-trixie
ARG PYTHON_DIGEST=


FROM python:${PYTHON_VERSION}${PYTHON_DIGEST} AS packages

RUN python -m venv /opt/venv
COPY requirements/base.txt /requirements/base.txt
# Only what the lock file names and only its very bytes; wheels only, so that no compiler is needed.
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement /requirements/base.txt


FROM packages AS code

WORKDIR /app
COPY manage.py gunicorn.conf.py ./
COPY billing_project ./billing_project
COPY bridge ./bridge
COPY payments ./payments
# Embedded services, demo and simulator are for a developer's machine.
RUN rm -r billing_project/dev && /opt/venv/bin/python -m compileall -q .


# A Stripe for a first run (docker-compose.yml): an image of its own, so that the product's doesn't hold it.
FROM packages AS simulator

COPY requirements/simulator.txt /requirements/simulator.txt
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement /requirements/simulator.txt \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin billing \
    && install --directory --owner=10001 --group=10001 /var/lib/simulator
WORKDIR /app
COPY billing_project/__init__.py ./billing_project/__init__.py
COPY billing_project/dev/__init__.py ./billing_project/dev/__init__.py
COPY billing_project/dev/simulator ./billing_project/dev/simulator

ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 12111
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s --retries=6 \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 12111), 3).close()"]
CMD ["python", "-m", "billing_project.dev.simulator", "--share-network", "--port", "12111", "--journal", "/var/lib/simulator/journal"]


FROM python:${PYTHON_VERSION}${PYTHON_DIGEST} AS run

# What is built without --target. A number, so that an orchestrator can see that it isn't root.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin billing
COPY --from=packages /opt/venv /opt/venv
COPY --from=code /app /app
WORKDIR /app

ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    LOG_FORMAT=json \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
# With HEALTH_FILE: whether the process has made a round in the last minute. Without it: whether web can work.
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --retries=3 \
    CMD ["sh", "-c", "if [ -n \"$HEALTH_FILE\" ]; then test -n \"$(find \"$HEALTH_FILE\" -mmin -1)\"; else python -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=5)\"; fi"]
CMD ["gunicorn", "billing_project.wsgi"]
