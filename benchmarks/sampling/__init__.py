"""Rewards while a model of many steps samples: `python -m benchmarks.noisetilt`."""
