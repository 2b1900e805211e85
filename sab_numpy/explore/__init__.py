"""The backward pass as events, and as a page to step through."""
