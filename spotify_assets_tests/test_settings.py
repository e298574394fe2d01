"""The environment is read in one place, and what cannot be used is said by name."""

from pathlib import Path

import pytest

from spotify_assets.settings import Settings, SettingsError, load_settings

REPOSITORY = Path(__file__).parents[1]


def load(tmp_path: Path, **environ: str) -> Settings:
    return load_settings(environ, tmp_path)


def test_an_empty_environment_gives_the_documented_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.access == "auto"
    assert settings.markets == ("US",)
    assert settings.max_retry_after == 60
    assert settings.home == Path(".spotify_assets")
    assert not settings.uses_sandbox
    assert not settings.has_credentials


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SPOTIFY_SANDBOX", "yes", "'0' or '1'"),
        ("SPOTIFY_ACCESS", "full", "'auto', 'extended' or 'development'"),
        ("SPOTIFY_MARKETS", "US,UK", "UK"),
        ("SPOTIFY_MARKETS", ",", "no market"),
        ("SPOTIFY_API_URL", "api.spotify.com/v1", "http://"),
        ("SPOTIFY_API_URL", "http://", "is not an address"),
        ("RECCOBEATS_API_URL", "https://exa mple.com/v1/", "is not an address"),
        ("RECCOBEATS_API_URL", "https://.bad/", "is not an address"),
        ("DEEZER_API_URL", "https://[::1/", "is not an address"),
        ("DEEZER_API_URL", "https://host:port/", "is not an address"),
        ("SPOTIFY_CALLS_PER_30_SECONDS", "0", "greater than or equal to 1"),
        ("SPOTIFY_ISRC", "yes", "'0' or '1'"),
        ("SPOTIFY_MAX_RETRY_AFTER", "soon", "number"),
        ("SPOTIFY_MAX_RETRY_AFTER", "inf", "finite"),
        ("SPOTIFY_MAX_RETRY_AFTER", "86400", "less than or equal to 3600"),
        ("SPOTIFY_ALBUMS_PER_RUN", "0", "greater than or equal to 1"),
    ],
)
def test_an_unusable_value_is_refused_by_name_with_what_is_allowed(
    tmp_path: Path, variable: str, value: str, told: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, **{variable: value})
    assert variable in str(refusal.value)
    assert told in str(refusal.value)


def test_every_unusable_variable_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"(?s)SPOTIFY_SANDBOX.*SPOTIFY_ACCESS"):
        load(tmp_path, SPOTIFY_SANDBOX="on", SPOTIFY_ACCESS="none")


@pytest.mark.parametrize("given", ["SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET"])
def test_half_of_the_credentials_is_refused_without_showing_it(tmp_path: Path, given: str) -> None:
    with pytest.raises(SettingsError, match="set both of") as refusal:
        load(tmp_path, **{given: "hush-hush"})
    assert "hush-hush" not in str(refusal.value)


@pytest.mark.parametrize("given", ["SPOTIFY_API_URL", "SPOTIFY_ACCOUNTS_URL"])
def test_half_of_a_sandboxs_addresses_is_refused(tmp_path: Path, given: str) -> None:
    """The one that was given was left aside, and another sandbox was started."""
    with pytest.raises(SettingsError, match="set both, or none"):
        load(tmp_path, SPOTIFY_SANDBOX="1", **{given: "http://127.0.0.1:9/"})


def test_secrets_do_not_print(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        SPOTIPY_CLIENT_ID="hush-id",
        SPOTIPY_CLIENT_SECRET="hush-secret",
        DATABASE_URL="postgresql://me:hush-password@host/db",
    )
    assert settings.has_credentials
    assert "hush" not in repr(settings) + str(settings)


def test_a_dotenv_file_is_read_and_the_environment_wins_over_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPOTIFY_SANDBOX=1\nSPOTIFY_MARKETS=de\n", encoding="utf-8")
    settings = load(tmp_path, SPOTIFY_MARKETS="gb, us,gb")
    assert settings.uses_sandbox
    assert settings.markets == ("GB", "US")


def test_an_empty_value_counts_as_unset(tmp_path: Path) -> None:
    """ECS and compose files pass declared variables as empty strings."""
    assert load(tmp_path, SPOTIPY_CLIENT_ID="", SPOTIFY_ACCESS=" ") == load(tmp_path)


@pytest.mark.parametrize("variable", ["RECCOBEATS_API_URL", "DEEZER_API_URL"])
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_an_empty_address_of_a_neighbour_switches_it_off(tmp_path: Path, variable: str, place: str) -> None:
    if place == ".env":
        (tmp_path / ".env").write_text(f"{variable}=\n", encoding="utf-8")
    settings = load(tmp_path, **({variable: ""} if place == "environment" else {}))
    urls = [
        address(in_sandbox=in_sandbox)
        for address in (settings.reccobeats_url, settings.deezer_url)
        for in_sandbox in (True, False)
    ]
    assert urls.count(None) == 2


def test_in_the_sandbox_the_neighbours_are_the_sandboxs_own_unless_they_are_set(tmp_path: Path) -> None:
    settings = load(
        tmp_path, SPOTIFY_ACCOUNTS_URL="http://127.0.0.1:1/", DEEZER_API_URL="http://127.0.0.1:2/"
    )
    assert settings.reccobeats_url(in_sandbox=True) == "http://127.0.0.1:1/reccobeats/v1/"
    assert settings.reccobeats_url(in_sandbox=False) == "https://api.reccobeats.com/v1/"
    assert settings.deezer_url(in_sandbox=True) == "http://127.0.0.1:2/"


def test_base_addresses_end_with_a_slash(tmp_path: Path) -> None:
    """spotipy joins its paths to the prefix without one."""
    assert load(tmp_path, SPOTIFY_API_URL="http://127.0.0.1:1/v1").api_url == "http://127.0.0.1:1/v1/"


@pytest.mark.parametrize("document", ["README.md", ".env.example"])
def test_every_variable_is_documented(document: str) -> None:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    missing = [
        str(field.validation_alias)
        for field in Settings.model_fields.values()
        if str(field.validation_alias) not in text
    ]
    assert missing == []
