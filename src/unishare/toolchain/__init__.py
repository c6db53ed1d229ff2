"""From recipes to images: sources, objects, one relocatable object per library, the global map, layouts and the final link."""
