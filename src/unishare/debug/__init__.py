"""Files that let a debugger find its way in an instance."""
