"""The steps, by kind."""
