"""PyTorch: models, augmentation, optimisers, training."""
