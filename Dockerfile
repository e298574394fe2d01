# One image for every role: the command decides (webserver, daemon, code location, run, or the command line).
FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --no-deps --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY spotify_assets ./spotify_assets
# Bytecode checked by hash: a non-root user cannot write it later, and image builders do not keep file times exactly.
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation . \
    && python -m compileall -q --invalidation-mode checked-hash /opt/venv/lib/python3.12/site-packages

FROM python:3.12-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DAGSTER_HOME=/opt/dagster \
    DAGSTER_EVENT_BATCH_SIZE=1000 \
    SPOTIFY_ASSETS_HOME=/var/lib/spotify-assets
RUN useradd --uid 10001 --create-home --home-dir /var/lib/spotify-assets spotify \
    && mkdir -p /opt/dagster
COPY dagster.yaml /opt/dagster/dagster.yaml
COPY workspace.yaml /opt/dagster/workspace.yaml
COPY --from=build /opt/venv /opt/venv
USER 10001
WORKDIR /opt/dagster
CMD ["spotify-assets", "--help"]
