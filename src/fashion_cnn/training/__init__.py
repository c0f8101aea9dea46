"""What training keeps in both frameworks: schedule, draws, state, progress."""
