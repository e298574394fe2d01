"""What is prepared before anything runs."""

from pathlib import Path

import pytest

from spotify_assets.launch.environment import prepare_environment
from spotify_assets.settings import SettingsError


def test_where_no_source_is_chosen_and_nothing_can_be_written_the_error_says_what_to_set(
    tmp_path: Path,
) -> None:
    """In the image, with its read-only file system, it was a traceback of OSError."""
    with pytest.raises(SettingsError, match="SPOTIFY_SANDBOX=1"):
        prepare_environment({}, tmp_path / "not-there")


def test_a_line_without_an_end_in_env_is_not_run_together_with_the_one_that_is_added(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SPOTIFY_MARKETS=DE")
    settings, _ = prepare_environment({}, tmp_path)
    assert settings.markets == ("DE",)
    assert settings.uses_sandbox


def test_the_dagster_home_gets_the_configuration_that_plain_dagster_commands_read(tmp_path: Path) -> None:
    environ = {"SPOTIFY_SANDBOX": "1"}
    prepare_environment(environ, tmp_path)
    project = Path(__file__).parents[1] / "dagster.yaml"
    assert (Path(environ["DAGSTER_HOME"]) / "dagster.yaml").read_text() == project.read_text()
