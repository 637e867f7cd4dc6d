"""Who reads the result? One module per reader."""
