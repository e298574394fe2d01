"""The accounts service: POST /api/token with client credentials."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qs

from spotify_assets.sandbox.answers import Answer, token_error
from spotify_assets.sandbox.traffic import Tokens


def token_answer(authorization: str, body: bytes, tokens: Tokens) -> Answer:
    """A new token for any credentials but the id `invalid`, by the Authorization header or in the form."""
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    credentials = _credentials(authorization, form)
    if credentials is None:
        return token_error("invalid_client")
    if "" in credentials or credentials[0] == "invalid":
        return token_error("invalid_client", "Invalid client")
    if form.get("grant_type") != "client_credentials":
        return token_error("unsupported_grant_type", "grant_type must be client_credentials")
    token = {"access_token": tokens.issue(), "token_type": "Bearer", "expires_in": tokens.seconds}
    return Answer(200, token)


def _credentials(header: str, form: Mapping[str, str]) -> tuple[str, str] | None:
    """Client id and secret, from HTTP Basic or from the form; None where neither is there."""
    kind, _, encoded = header.partition(" ")
    if kind.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return client_id, secret
    if "client_id" in form:
        return form["client_id"], form.get("client_secret", "")
    return None
