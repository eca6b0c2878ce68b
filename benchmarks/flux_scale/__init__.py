"""One ascent step at FLUX's scale: against the plain forward pass, and against diffusers' own checkpointing."""
