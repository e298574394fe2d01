"""The assets of the graph."""

import warnings

import dagster as dg

# `backfill_policy` is beta in the Dagster release that is pinned; every command would print that for each asset.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
