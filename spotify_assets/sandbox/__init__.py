"""A real HTTP server that speaks the Spotify Web API, with a synthetic or a given catalogue."""
