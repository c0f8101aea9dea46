"""Every default, once."""
