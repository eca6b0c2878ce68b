"""Gradients through ComfyUI: from a picture's reward back to the noise, for any guider and VAE."""
