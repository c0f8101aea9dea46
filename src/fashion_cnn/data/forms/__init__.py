"""The forms in which other people keep small labelled images: read into arrays, a form a module."""
