"""The machine that a number was measured on."""

import os
import platform
from importlib import metadata

from sab_numpy.core import backend


def machine():
    """What the numbers depend on."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    made_by = metadata.packages_distributions()  # cupy comes as cupy-cuda12x, ...
    versions = [
        f"{package} {metadata.version(made_by[package][0])}"
        for package in ("numpy", "torch", "cupy")
        if package in made_by
    ]
    if "cupy" in backend.available():
        versions.append(backend.require("cupy").cuda.runtime.getDeviceProperties(0)["name"].decode())
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(versions)}"
