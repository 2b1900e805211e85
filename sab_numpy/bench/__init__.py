"""Speed and memory, beside the same work in other hands."""
