"""What to do where a model computes pictures but no gradients, in the terms of each node that wants them."""

WITHOUT_MODEL_GRADIENT = (
    "Or do without: in the Noise Optimizer let an Optimization Method search without gradients (best of seeds, local "
    "search), in the NoiseTilt Sampler set gradient to decoder only."
)
