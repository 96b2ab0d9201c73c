# One image for all processes: the command says which one runs (see docker-compose.yml).
# Nothing of it runs as root, and nothing is written outside /tmp and /dev/shm.
#
#   docker build --tag billing-payments:0.1.0 .
#
# The tag is exact. To pin the very bytes as well: --build-arg PYTHON_DIGEST=@sha256:…
ARG PYTHON_VERSION=3.11.15-slim-trixie
ARG PYTHON_DIGEST=


FROM python:${PYTHON_VERSION}${PYTHON_DIGEST} AS packages

RUN python -m venv /opt/venv
COPY requirements/base.txt /requirements.txt
# Only what the lock file names and only its very bytes; wheels only, so that no compiler is needed.
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement /requirements.txt


FROM python:${PYTHON_VERSION}${PYTHON_DIGEST} AS run

# A number, so that an orchestrator can see that it isn't root.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin billing
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY manage.py gunicorn.conf.py ./
COPY billing_project ./billing_project
COPY bridge ./bridge
COPY payments ./payments
RUN python -m compileall -q .

ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    LOG_FORMAT=json \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
# No HEALTHCHECK: only the web process answers HTTP, the others end when something is wrong with them.
CMD ["gunicorn", "billing_project.wsgi"]
