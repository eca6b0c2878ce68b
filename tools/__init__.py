"""Tools for work on the pack; the tests drive ComfyUI with them too. They do not ship."""
