"""Tests of spotify."""
