"""An AI proxy gateway whose translations are data."""
