"""Tests of marts."""
