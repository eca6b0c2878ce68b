"""The parts of the comparison of methods: `python -m benchmarks.methods`."""
