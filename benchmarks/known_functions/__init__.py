"""Two programs around one library: what is known of its functions from the first one."""
