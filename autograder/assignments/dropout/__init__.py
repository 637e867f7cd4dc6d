"""Dropout: masks, inverted and original scaling, gradients, Monte Carlo dropout, MNIST."""
