"""A run as the page sees it: progress, live curve, Stop and keep."""
