"""Tests of the sandbox: its catalogue, its answers, its faults."""
