"""What each word of the command line does: its options, and the call that it makes."""
