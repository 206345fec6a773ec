"""What the commands do, a module for each noun. Loaded when a command is called."""
