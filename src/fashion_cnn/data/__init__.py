"""Bytes on disk to `Split`."""
