"""How does any check run? Declarations, comparison, diagnosis, results."""
