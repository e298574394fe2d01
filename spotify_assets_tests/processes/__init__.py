"""Tests of the commands as a user runs them: real processes in a folder of their own."""
