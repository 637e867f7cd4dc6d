"""Batch normalization: forward, running statistics, gradients, parameter counts, folding, MNIST."""
