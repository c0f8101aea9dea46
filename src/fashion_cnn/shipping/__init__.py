"""Models on their way out: the exported file, and what answers with it."""
