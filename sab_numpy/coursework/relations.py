"""Simple relations between wrong and right numbers, for what no listed mistake explains."""

import numpy as np

GATES = "ifgo"


def close(a, b, tolerance=1e-7):
    """Equal to 1e-7 of b's largest number?"""
    if a.shape != b.shape or not np.isfinite(a).all():
        return False
    return bool(np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), 1e-30))


def every(test, unit):
    return all(test(got, want) for got, want in zip(unit.got, unit.want))


def ratio(got, want):
    """The number r with got = r * want, or None."""
    r = (got * want).sum() / (want * want).sum() if (want != 0).any() else np.nan
    return float(r) if np.isfinite(r) and close(got, r * want) else None


def factor(unit, sizes):
    """What the whole unit is multiplied by, in words, or None. sizes: one dict a case, such as B, T, H."""
    ratios = [ratio(got, want) for got, want in zip(unit.got, unit.want)]
    if any(r is None for r in ratios):
        return None
    if all(r == 0 for r in ratios):
        return "is all zeros: it is never written"
    if np.allclose(ratios, -1):
        return "has the wrong sign"
    for letter in sizes[0]:
        n = np.array([size[letter] for size in sizes], float)
        for text, value in ((letter, n), (f"1/{letter}", 1 / n), (f"sqrt({letter})", n**0.5),
                            (f"1/sqrt({letter})", n**-0.5)):
            for sign, word in ((1, ""), (-1, " and has the wrong sign")):
                if np.allclose(ratios, sign * value) and len(set(n)) > 1:
                    return f"is {text} times what it should be{word} (a sum for a mean, or a scale forgotten)"
    return f"is {ratios[0]:.4g} times what it should be" if np.allclose(ratios, ratios[0]) else None


def transposed(unit):
    """Square and transposed?"""
    return all(w.ndim == 2 and w.shape[0] == w.shape[1] for w in unit.want) and every(lambda g, w: close(g, w.T), unit)


def other_gate(unit, units):
    """The gate whose right numbers stand here, or None."""
    for candidate in units:
        if candidate.name == unit.name and candidate.gate != unit.gate and all(map(close, unit.got, candidate.want)):
            return candidate.gate
    return None


def in_time(unit):
    """For arrays whose first axis is time: which steps are wrong, in words."""
    words = []
    for got, want, case in zip(unit.got, unit.want, unit.cases):
        steps = [t for t in range(len(want)) if not close(got[t], want[t])]
        if steps and steps == list(range(steps[-1] + 1)) and steps[-1] < len(want) - 1:
            words.append(f"case {case + 1}: right from step {steps[-1] + 1} on, wrong before")
        elif 0 < len(steps) < len(want):
            words.append(f"case {case + 1}: wrong at steps {', '.join(map(str, steps[:6]))}")
    return words[0] if words else None
