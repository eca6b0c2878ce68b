"""Training of the demo world's networks on pictures that the painter draws: ``python -m demo_world.train``."""
