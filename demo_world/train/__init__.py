"""Training of the demo world's networks on the painter's pictures: `python -m demo_world.train`."""
