"""From source trees to relocatable objects, cached by content."""
