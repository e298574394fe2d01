"""Tests of spotify_assets."""
