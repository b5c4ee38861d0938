"""What translations and the proxy path cost, measured against rivals in the same run."""
