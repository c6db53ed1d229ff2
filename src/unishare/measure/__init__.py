"""Host counters to samples: what memory is used and which of it is shared. No policy."""
