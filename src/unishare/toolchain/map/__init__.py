"""The global map: the same addresses for a library in all images."""
