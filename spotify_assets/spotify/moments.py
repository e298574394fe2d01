"""Times as the client counts them and as people read them."""

from datetime import UTC, datetime


def moment(seconds: float) -> datetime:
    """Seconds since the epoch as an aware time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
