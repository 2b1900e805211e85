"""The lecture: the model and its gradients, forwards and backwards. It imports NumPy alone."""
