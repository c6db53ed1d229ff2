"""Starting, asking and stopping instances: the client of the monitor's launcher."""
