"""Optimizers: nine update rules, gradient clipping, learning-rate schedules, MNIST."""
