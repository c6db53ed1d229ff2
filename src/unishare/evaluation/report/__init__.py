"""From readings on disk to numbers, figures and one page: nothing here measures."""
