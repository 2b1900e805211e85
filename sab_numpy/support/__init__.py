"""Files, threads, progress: what every room above the core may use."""
