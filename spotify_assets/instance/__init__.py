"""Dagster's own storage on the warehouse's Postgres."""
