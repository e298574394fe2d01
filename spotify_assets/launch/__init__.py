"""Starting the whole system from a clone: the environment, the first pass, the servers."""
