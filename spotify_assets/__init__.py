"""A Dagster asset graph that turns Spotify's new releases into a Postgres warehouse."""
