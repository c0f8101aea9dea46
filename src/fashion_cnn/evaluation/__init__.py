"""What a classifier gets right and wrong, from its logits alone."""
