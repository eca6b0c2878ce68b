"""The gradient in every way in which ComfyUI places weights, through its real server."""
