"""Whether what a browser has is still what it would get: told by the builds of the marts, not by their rows."""

import hashlib
from collections.abc import Mapping

from spotify_assets.dashboard.marts import Build


def entity_tag(path: str, query: str, builds: Mapping[str, Build], code: str) -> str:
    """Tells one content of an address from another: weak, as compression changes the bytes and not the content."""
    built = [
        f"{name} {builds[name].as_of.isoformat()} {builds[name].built_at.isoformat()}"
        for name in sorted(builds)
    ]
    content = "\n".join([path, query, code, *built])
    return f'W/"{hashlib.sha256(content.encode()).hexdigest()[:20]}"'


def is_fresh_for(if_none_match: str | None, tag: str) -> bool:
    """Whether one of the tags that a browser holds is this one."""
    if if_none_match is None:
        return False
    held = [each.strip() for each in if_none_match.split(",")]
    return "*" in held or tag in held
