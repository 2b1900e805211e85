"""Files, threads, progress, the machine: what every room above may use."""

__version__ = "0.1.0"
