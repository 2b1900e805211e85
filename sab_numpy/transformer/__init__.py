"""A Transformer by hand, the last baseline of the paper: params, forward, backward. Proved as the core is."""
