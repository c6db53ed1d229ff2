"""The formats that the stages hand to each other, and the constants they share. Imports nothing of ours but errors."""
