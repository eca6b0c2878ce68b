"""Noises in ComfyUI: the NOISE that holds an optimized tensor, and where its files are."""
