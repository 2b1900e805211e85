"""A training run: its options, its loop, its folder, how good it is."""
