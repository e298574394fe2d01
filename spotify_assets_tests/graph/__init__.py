"""Tests of the graph end to end: sandbox API, real Postgres, Dagster."""
