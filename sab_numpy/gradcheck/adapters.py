"""Gradients that PyTorch or JAX make, a custom backward of yours among them, checked against numbers."""

import numpy as np

from sab_numpy.gradcheck.check import check


def check_torch(function, inputs, **options):
    """Check what autograd gives for a function of tensors, or a module with its parameters; returns a Report.

    function    module, or function(*inputs) -> tensor; what it detaches must be marked with sab_numpy.stop, or the
                gradient is compared with the derivative that does not
    inputs      tensors; those of floating point are moved, in float64, the others passed on
    Raises ValueError for complex inputs, by place. Options are those of sab.check.
    """
    import torch

    inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    for k, value in enumerate(inputs):
        if torch.is_tensor(value) and value.is_complex():
            raise ValueError(f"inputs[{k}] must be real, found {value.dtype}: check its real and imaginary part")
    params = {f"inputs[{k}]": v for k, v in enumerate(inputs) if torch.is_tensor(v) and v.is_floating_point()}
    module = isinstance(function, torch.nn.Module)
    params |= dict(function.named_parameters()) if module else {}

    def forward(leaves):
        values = [leaves.get(f"inputs[{k}]", value) for k, value in enumerate(inputs)]
        if not module:
            return function(*values)
        state = {name: value for name, value in leaves.items() if not name.startswith("inputs[")}
        buffers = {name: b.double() if b.is_floating_point() else b.clone() for name, b in function.named_buffers()}
        return torch.func.functional_call(function, {**state, **buffers}, tuple(values))

    def f(p):
        with torch.no_grad():
            return forward({name: torch.from_numpy(np.array(value)) for name, value in p.items()}).numpy()

    def grads(p, dy=1.0):
        leaves = {name: torch.from_numpy(np.array(value)).requires_grad_() for name, value in p.items()}
        y = forward(leaves)
        found = torch.autograd.grad(
            y, list(leaves.values()), torch.as_tensor(dy, dtype=y.dtype).expand_as(y), allow_unused=True
        )
        return {n: np.zeros(leaves[n].shape) if g is None else g.numpy() for n, g in zip(leaves, found)}

    return check(f, {name: value.detach().double().numpy() for name, value in params.items()}, grads, **options)


def check_jax(f, params, **options):
    """Check what jax.vjp gives for f(params) -> number or array, custom_vjp included; returns a Report.

    params is a tree of real arrays, as for sab.check. The numbers are central differences: with jax_enable_x64 exact to
    1e-7 and better; without, f computes in float32 and is held to 1e-3. What f puts through stop_gradient must be
    marked with sab_numpy.stop, or the gradient is compared with the derivative that does not. Raises ValueError for
    complex params.
    """
    import jax

    for path, value in jax.tree_util.tree_leaves_with_path(params):
        if np.iscomplexobj(value):
            raise ValueError(f"params{jax.tree_util.keystr(path)} must be real, found {np.asarray(value).dtype}")

    def grads(p, dy=1.0):
        y, back = jax.vjp(f, jax.tree_util.tree_map(jax.numpy.asarray, p))
        return jax.tree_util.tree_map(
            np.asarray, back(jax.numpy.broadcast_to(jax.numpy.asarray(dy, y.dtype), y.shape))[0]
        )

    real = jax.tree_util.tree_map(lambda value: np.asarray(value, np.float64), params)
    options["method"] = "central"  # JAX's conversions lose imaginary parts in silence
    return check(lambda p: np.asarray(f(p)), real, grads, **options)
