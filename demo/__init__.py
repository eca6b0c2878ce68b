"""Command one of the README: see the projector at work in the demo world, without downloads."""
