"""Pictures and pages, pulled out of a finished run folder."""
