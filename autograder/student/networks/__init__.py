"""Networks that are trained with student functions, one module per assignment. Without torch."""
