"""Layout `aslr`: position-independent modules, linked once each, and the relocations that place them (docs/formats/aslr.md)."""
