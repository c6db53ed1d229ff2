"""The linker scripts of the static layouts: one module a way of arranging."""
