"""From a pinned source to an unpacked and prepared tree."""
