"""What the Noise Optimizer and the NoiseTilt Sampler refuse before any long work: what, which input, what to do."""
