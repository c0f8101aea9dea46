"""The run folder: all that a run leaves behind, and the only code that knows its file names."""
