"""Shared by the tests: tiny models, tiny data, tiny Trainers."""
