"""Functions of the middle storey."""
