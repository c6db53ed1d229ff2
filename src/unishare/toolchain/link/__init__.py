"""From objects and places to an image."""
