"""The plain way, as a fair and minimal script: what a data engineer writes on the first afternoon.

One call an album, two calls a track, one after the other over one kept-alive connection, then pandas `to_sql`.

    python -m benchmarks.plain_way API_URL ACCOUNTS_URL DATABASE_URL
"""

import json
import sys
import time
from typing import Any

import pandas as pd
import requests
import sqlalchemy


def main(api_url: str, accounts_url: str, database_url: str) -> None:
    """Load all new releases and print what it took as JSON."""
    started = time.perf_counter()
    session = requests.Session()
    token = session.post(
        f"{accounts_url}api/token",
        data={"grant_type": "client_credentials"},
        auth=("plain", "plain"),
        timeout=30,
    ).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    calls = 1

    def get(path: str) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        answer = session.get(f"{api_url}{path}", timeout=30)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body

    new_releases, offset = [], 0
    while True:
        page = get(f"browse/new-releases?country=US&limit=50&offset={offset}")["albums"]
        new_releases += page["items"]
        offset += 50
        if page["next"] is None:
            break
    releases, tracks, features, details = [], [], [], []
    for item in new_releases:
        album = get(f"albums/{item['id']}?market=US")
        releases.append(
            {"album_id": album["id"], "name": album["name"], "release_date": album["release_date"]}
        )
        for track in album["tracks"]["items"]:
            tracks.append(
                {
                    "album_id": album["id"],
                    "track_id": track["id"],
                    "name": track["name"],
                    "duration_ms": track["duration_ms"],
                    "artists": ", ".join(artist["name"] for artist in track["artists"]),
                }
            )
            answer = session.get(f"{api_url}audio-features/{track['id']}", timeout=30)
            calls += 1
            if answer.status_code == requests.codes.ok:
                features.append(answer.json())
            detail = get(f"tracks/{track['id']}?market=US")
            details.append({"track_id": detail["id"], "popularity": detail["popularity"]})
    fetched = time.perf_counter()
    engine = sqlalchemy.create_engine(database_url)
    tables = {"releases": releases, "tracks": tracks, "audio_features": features, "track_details": details}
    for name, rows in tables.items():
        pd.DataFrame(rows).to_sql(name, engine, if_exists="replace", index=False)
    ended = time.perf_counter()
    print(
        json.dumps(
            {
                "calls": calls,
                "albums": len(releases),
                "tracks": len(tracks),
                "seconds": ended - started,
                "phases": {"API": fetched - started, "database": ended - fetched},
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
