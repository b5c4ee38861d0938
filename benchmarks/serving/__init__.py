"""What the benchmark of the gateway runs: an upstream, a bare loop, servers under a meter, load."""
