"""What nodes hand to one another: their sockets, and the methods with the settings of a run."""
