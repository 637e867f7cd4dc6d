"""Auto-graded deep-learning assignments: student NumPy code checked against PyTorch."""
