"""Turns Spotify's OpenAPI 3.0 text into JSON Schema, and says where reality is known to differ from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

_DROPPED = {"description", "example", "deprecated", "x-spotify-docs-type", "format"}


def _json_schema(node: Any) -> Any:
    if isinstance(node, list):
        return [_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {key: _json_schema(value) for key, value in node.items() if key not in _DROPPED}
    if schema.pop("nullable", False):
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def _follow_reality(schemas: dict[str, Any]) -> None:
    """Recorded answers: no list of markets where a market was asked for, beatless tracks of signature 0."""
    schemas["AlbumBase"]["required"].remove("available_markets")
    schemas["TimeSignature"].pop("minimum", None)


class OpenApi:
    """Schemas of the answers by path."""

    def __init__(self, path: Path) -> None:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.paths = text["paths"]
        self.components = _json_schema(text["components"])
        _follow_reality(self.components["schemas"])

    def complaints(self, path: str, body: Any) -> list[str]:
        """What is wrong with the body of a 200 of GET `path`."""
        name = self.paths[path]["get"]["responses"]["200"]["$ref"].rsplit("/", 1)[1]
        schema = self.components["responses"][name]["content"]["application/json"]["schema"]
        validator = Draft202012Validator({**schema, "components": self.components})
        return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]

    def keys(self, name: str) -> set[str]:
        """Every key the text knows of a schema, through allOf and references."""
        return self._keys(self.components["schemas"][name])

    def _keys(self, schema: dict[str, Any]) -> set[str]:
        found = set(schema.get("properties", ()))
        if "$ref" in schema:
            found |= self.keys(schema["$ref"].rsplit("/", 1)[1])
        for part in schema.get("allOf", ()):
            found |= self._keys(part)
        return found
