"""What is loaded, and when: every command is a process of its own, and most of its time would be spent on imports."""
