"""What the Noise Optimizer refuses before any long work: what is wrong, which input, what to do."""
