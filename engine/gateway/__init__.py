"""The gateway: HTTP in, HTTP out. The top storey and the only one that awaits."""
