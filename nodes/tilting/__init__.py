"""A sampling whose noise is tilted, in ComfyUI: what runs when its sampler does, and what is told of it."""
