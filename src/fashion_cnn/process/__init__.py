"""What happens to a process, and what it runs on."""
