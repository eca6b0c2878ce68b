"""What a run leaves behind for people: its scores, report, live curve and noise file (no ComfyUI)."""
