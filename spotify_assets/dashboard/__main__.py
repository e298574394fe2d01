"""Serve the dashboard: `python -m spotify_assets.dashboard HOST PORT`, the login in DASHBOARD_DATABASE_URL."""

import os
import sys

import uvicorn
from sqlalchemy.engine import make_url

from spotify_assets.dashboard.application import create_application
from spotify_assets.dashboard.marts import connect


def main(host: str, port: int) -> None:
    """Serve until it is ended."""
    engine = connect(make_url(os.environ["DASHBOARD_DATABASE_URL"]))
    uvicorn.run(
        create_application(engine),
        host=host,
        port=port,
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
