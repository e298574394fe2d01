"""What is said of a release and of its tracks, wherever they are shown."""

from spotify_assets.dashboard.filters import Filters
from spotify_assets.dashboard.marts import Row
from spotify_assets.dashboard.tables import UNKNOWN, Cell
from spotify_assets.dashboard.views.addresses import album_address, track_address
from spotify_assets.dashboard.views.choices import in_long

SOURCE_NAMES = {"spotify": "Spotify", "reccobeats": "ReccoBeats"}
_WHY_NOT = {"absent": "absent", "pending": "pending", "measured": "not measured"}
FEATURES_NOTE = (
    "Features absent: they were asked for, and there are none. Pending: nobody could be asked yet."
    " Not detected: the track was measured, and no key or tempo was found in it."
)


def counted(number: int, thing: str) -> str:
    """So many things, in words."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def released(row: Row) -> str:
    """When a release came out, as exactly as it is known."""
    day = row["release_date"]
    if day is None:
        return UNKNOWN
    if row["release_date_precision"] == "year":
        return f"{day:%Y}"
    if row["release_date_precision"] == "month":
        return f"{day:%B %Y}"
    return in_long(day)


def release_date(row: Row) -> Cell:
    """Likewise, as a table has it."""
    pattern = {"year": "%Y", "month": "%Y-%m"}.get(row["release_date_precision"], "%Y-%m-%d")
    return Cell(row["release_date"].strftime(pattern))


def album(row: Row) -> Cell:
    """The name of an album; its id, while the album itself is not loaded. With its cover, where the row has it."""
    return Cell(album_name(row), href=album_address(row["album_id"]), image=row.get("image_url"))


def album_name(row: Row) -> str:
    """Likewise, without a link."""
    return row["album_name"] or f"Album {row['album_id']}"


def track(row: Row) -> Cell:
    """The name of a track."""
    return Cell(row["track_name"] or "(no name)", href=track_address(row["track_id"]))


def length(row: Row) -> Cell:
    """The length of a track in minutes and seconds."""
    seconds = round(row["duration_ms"] / 1000)
    return Cell(f"{seconds // 60}:{seconds % 60:02}")


def why_no_feature(row: Row) -> str:
    """Why a feature of a track is null."""
    return _WHY_NOT[row["features_status"]]


def why_no_key(row: Row) -> str:
    """Why a track has no key."""
    return "not detected" if row["features_status"] == "measured" else why_no_feature(row)


def tempo(row: Row) -> Cell:
    """The tempo of a track in beats a minute; 0 says that none was detected."""
    return Cell(f"{row['tempo']:.0f}") if row["tempo"] else Cell("not detected", is_missing=True)


def features_by(row: Row) -> Cell:
    """Who measured the features of a track, or why nobody did."""
    source = row["features_source"]
    return Cell(SOURCE_NAMES[source]) if source else Cell(why_no_feature(row), is_missing=True)


def ranking_of_week(row: Row) -> Cell:
    """A week, with its ranking by the same measure."""
    query = Filters(week=row["week_start"], measure=row["measure"]).query()
    return Cell(row["week_start"].isoformat(), href=f"/ranking?{query}")
