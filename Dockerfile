# One image for every role: the command decides (webserver, daemon, code location, run, or `spotify-assets`).
FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_PYTHON=/opt/venv/bin/python
WORKDIR /build
# The base image's pip installs into it (PIP_PYTHON): the image itself has no use for a second one.
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock ./
RUN pip install --no-deps --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE dagster.yaml ./
COPY spotify_assets ./spotify_assets
# The build backend and what only it needs stay behind. Bytecode is never checked against its source: a non-root user
# could not write it anew, and image builders do not keep the file times that the check compares.
RUN pip install --no-deps --no-build-isolation . \
    && pip check \
    && pip uninstall --yes hatchling editables pathspec pluggy trove-classifiers \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

FROM python:3.12-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DAGSTER_HOME=/opt/dagster \
    SPOTIFY_ASSETS_HOME=/var/lib/spotify-assets
# A user with a name: Postgres's initdb wants one. The base image comes without the standard library's bytecode, and
# every start would compile it in vain.
RUN useradd --uid 10001 --create-home --skel /nonexistent --home-dir /var/lib/spotify-assets spotify \
    && python -m compileall -q --invalidation-mode unchecked-hash -x site-packages /usr/local/lib/python3.12
COPY --from=build /opt/venv /opt/venv
COPY dagster.yaml workspace.yaml /opt/dagster/
# DAGSTER_HOME is read-only: what Dagster writes beside its database (the output of steps) goes to the volume.
RUN printf 'local_artifact_storage:\n  module: dagster._core.storage.root\n  class: LocalArtifactStorage\n  config:\n    base_dir: %s\n' \
    /var/lib/spotify-assets/dagster >> /opt/dagster/dagster.yaml
USER 10001
VOLUME /var/lib/spotify-assets
WORKDIR /opt/dagster
CMD ["spotify-assets", "--help"]
