"""The Spotify Web API: transport, calls and frames. Knows nothing of Dagster."""
