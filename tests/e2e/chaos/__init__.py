"""Faults of every kind at random, and what must hold afterwards. See README.md."""
