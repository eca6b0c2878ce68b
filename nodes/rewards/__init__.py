"""Rewards in ComfyUI: their files, their memory, and scoring images with them."""
