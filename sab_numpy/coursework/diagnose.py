"""Puts a name to the difference between a student's numbers and the right ones.

Every exercise lists likely mistakes as edits of its reference: (what to say, text, other text). The edit is made, the
edited reference is run, and if its numbers are the student's, the edit is what the student did. Where none fits, simple
relations are tried: sign, factor, transposed, one gate, another gate's numbers, one side of a cut, one setting.

Numbers are compared unit by unit: a unit is one output, or one gate of an output whose last axis is i f g o. Outputs
stand in the order in which they are computed, so the first wrong unit is the likely root of the others.
"""

import re
from collections import namedtuple

import numpy as np

from sab_numpy.coursework import edits, relations
from sab_numpy.coursework.relations import GATES, close

Unit = namedtuple("Unit", "name gate got want cases wrong")    # lists over cases; wrong: some array differs from want


def block(array, gate):
    """One gate of an array whose last axis is i f g o."""
    return array if gate is None else np.split(array, 4, axis=-1)[GATES.index(gate)]


def gates_of(module, name):
    return GATES if name in getattr(module, "GATED", ()) else (None,)


def units_of(module, checks):
    """What the student returned, unit by unit."""
    units = []
    for name in dict.fromkeys(check.name for check in checks if check.name != "learned"):
        mine = [check for check in checks if check.name == name and check.got is not None]
        for gate in gates_of(module, name) if mine else ():
            got, want = ([block(array, gate) for array in arrays]
                         for arrays in ([check.got for check in mine], [check.want for check in mine]))
            units.append(Unit(name, gate, got, want, [check.case for check in mine],
                              not all(map(close, got, want))))
    return units


def same(unit, edit, cases):
    """Do the edited reference's numbers equal the student's, in every case?"""
    for got, number in zip(unit.got, unit.cases):
        answer = edit.answer(number, cases[number])
        if answer is None or not close(got, block(answer[unit.name], unit.gate)):
            return False
    return True


def likely(edits, units, root, cases, later=False):
    """(what to say, units that it explains) of the edit that gives the root's numbers and most of the others'.

    No edit is likely that spoils what the student has right; later: it may spoil what comes after the root, as that may
    have been computed on another way.
    """
    best, explained = None, []
    kept = [unit for unit in (units[:units.index(root)] if later else units) if not unit.wrong]
    for edit in edits:
        if same(root, edit, cases):
            fits = [unit for unit in units if same(unit, edit, cases)]
            if len(fits) > len(explained) and all(unit in fits for unit in kept):
                best, explained = edit.message, fits
    return best, explained


def cause(module, units, root, cases):
    """Outputs exchanged; else a listed mistake; else a simple relation; else a slip at one place of the reference; else
    where it is wrong.
    """
    message, explained = exchanged(module, units, root)
    if message is None:
        message, explained = likely(edits.listed(module), units, root, cases)
    if message is None:
        message = relation(module, root, units, cases)
    if message is None:
        message, explained = likely(edits.listed(module), units, root, cases, later=True)
    if message is None:
        message = relation_where(module, root, units, cases)
    if message is None:
        slip, explained = likely(edits.automatic(module), units, root, cases)
        finite = all(np.isfinite(got).all() for got in root.got)
        where = wrong_values(module, root, units, cases) if finite else f"{named(root)} holds NaN or infinity"
        message = where + (f", {slip}" if slip else "")
    return message, explained


def outputs(units):
    """{name: (got, want)} of whole arrays, gates and all, over the cases."""
    joined = {}
    for unit in units:
        joined.setdefault(unit.name, []).append(unit)
    return {name: [[np.concatenate(arrays, axis=-1) if len(parts) > 1 else arrays[0] for arrays in zip(*many)]
                   for many in ([part.got for part in parts], [part.want for part in parts])]
            for name, parts in joined.items()}


def exchanged(module, units, root):
    """(what to say, units that it explains) where the root's numbers are those of another output that is wrong, too."""
    arrays = outputs(units)
    stem, _, key = root.name.partition("[")
    for name, (got, want) in arrays.items():
        other, _, other_key = name.partition("[")
        holds = [len(a) == len(b) and all(map(close, a, b)) and any(w.any() for w in b)
                 for a, b in ((arrays[root.name][0], want), (got, arrays[root.name][1]))]
        wrong = any(unit.wrong for unit in units if unit.name == name)
        if other != stem and other_key == key and holds[0] and wrong:
            words = f"{stem} and {other} are swapped" if holds[1] else f"{stem} holds the numbers of {other}"
            return in_order(module, words), [unit for unit in units if unit.name.partition("[")[0] in (stem, other)]
    return None, []


def in_order(module, words):
    return f"{words}: return {', '.join(module.OUTPUTS)} in this order"


def misplaced(module, checks):
    """As `exchanged`, for outputs of other shapes and kinds, seen by what the judge said of them; or None."""
    strange = {check.name: check for check in checks if check.case == 0 and check.problem and check.got is None}
    for one, a in strange.items():
        for two, b in strange.items():
            first, second = (re.findall(r" (?:has|is) (shape \(.*?\)|dtype \w|missing)", x.problem) for x in (a, b))
            crossed = first == [f"shape {b.want.shape}"] and second == [f"shape {a.want.shape}"]
            kinds = first == [f"dtype {b.want.dtype.kind}"] and second == [f"dtype {a.want.dtype.kind}"] and one != two
            lost = first == second == ["missing"] and "[" in two and "[" not in one
            if a is not b and (crossed or kinds or lost):
                return in_order(module, f"{one} and {two.partition('[')[0]} are swapped")
    return None


def remembers(checks):
    """The first case comes again at the end: are its answers others now?"""
    of_case = {(check.case, check.name): check.got for check in checks if check.got is not None}
    last = max(check.case for check in checks)
    return any(not np.array_equal(got, of_case[last, name], equal_nan=True)
               for (case, name), got in of_case.items() if case == 0 and (last, name) in of_case)


def diagnose(number, module, checks, cases):
    """At most ten lines; the first says what is wrong."""
    wrong = [check for check in checks if check.problem]
    others = [check for check in wrong if not check.problem.endswith("has wrong values")]
    units = units_of(module, checks)
    left = [unit for unit in units if unit.wrong]
    if left:                                                   # numbers that are not finite may follow from others
        others = [check for check in others if check.name != "learned" and
                  not check.problem.endswith("NaN or infinity")]
    lines = [misplaced(module, checks) or f"case {others[0].case + 1}: {others[0].problem}"] if others else []
    if remembers(checks):
        lines = ["the function remembers something between calls; the same input must give the same output"]
    while left and len(lines) < 4 and not remembers(checks):
        message, explained = cause(module, units, left[0], cases)
        lines.append(message)
        if not explained:
            break                                              # what follows from an unknown mistake is no news
        left = [unit for unit in left[1:] if unit not in explained]
    lines = [f"exercise {number}: {lines[0]}", *(f"also: {line}" for line in lines[1:])]
    return [*lines, *worst_entry(wrong), *summary(module, checks, wrong), f"stuck? sab hint {number} --level 1"]


def named(unit):
    return f"{unit.name}, gate {unit.gate}," if unit.gate else unit.name


def whole(unit, units):
    """All gates together, where all of them are wrong."""
    parts = [other for other in units if other.name == unit.name]
    if unit.gate is None or not all(part.wrong for part in parts):
        return unit
    got, want = ([np.concatenate(arrays, axis=-1) for arrays in zip(*many)]
                 for many in ([part.got for part in parts], [part.want for part in parts]))
    return unit._replace(gate=None, got=got, want=want)


def relation(module, unit, units, cases):
    """What a wrong unit simply is: swapped, a copy, transposed, a multiple; or None."""
    swapped = relations.other_gate(unit, units) if unit.gate else None
    if swapped:
        back = next(u for u in units if u.name == unit.name and u.gate == swapped)
        both = relations.other_gate(back, units) == unit.gate
        return (f"{unit.name}: gates {unit.gate} and {swapped} are swapped; the order is i f g o" if both else
                f"{unit.name}: gate {unit.gate} holds the numbers of gate {swapped} (copy-pasted?)")
    if relations.transposed(unit):
        return f"{named(unit)} is transposed"
    unit = whole(unit, units)
    inputs = [given(cases[case], unit) for case in unit.cases]
    words = relations.factor(unit, [sizes(module, cases[case]) for case in unit.cases]) or relations.added(
        unit, inputs) or relations.changed(unit, inputs)
    return words and f"{named(unit)} {words}"


def relation_where(module, unit, units, cases):
    """What a unit is multiplied by where a setting, such as normalise, has one value, if it is right elsewhere; or
    None.
    """
    bad = [k for k, (got, want) in enumerate(zip(unit.got, unit.want)) if not close(got, want)]
    setting = only_where(cases, [unit.cases[k] for k in bad], unit.cases)
    if setting is None:
        return None
    there = [other._replace(**{name: [getattr(other, name)[k] for k in bad] for name in ("got", "want", "cases")})
             for other in units if other.name == unit.name]
    there = whole(there[[other.gate for other in there].index(unit.gate)], there)
    words = relations.factor(there, [sizes(module, cases[case]) for case in there.cases])
    return words and f"{named(there)} {words}, only where {setting}"


def wrong_values(module, unit, units, cases):
    """Where a unit is wrong, when nobody knows why."""
    bad = [unit.cases[k] for k, (got, want) in enumerate(zip(unit.got, unit.want)) if not close(got, want)]
    setting = only_where(cases, bad, unit.cases)
    timed = unit.name in getattr(module, "TIMED", ())
    unit = whole(unit, units)
    time = relations.in_time(unit) if timed else relations.in_place(unit)
    gates = [u.gate for u in units if u.name == unit.name and u.wrong] if unit.gate else []
    alone = "; the other gates are right" if len(gates) == 1 else ""
    where = (f", only where {setting}" if setting else "") + (f" ({time})" if time else "")
    return f"{named(unit)} has wrong values{alone}{where}"


def sizes(module, case):
    """B, T, H, ... of a case, from the first input whose shape the module names."""
    return {letter: case[name].shape[axis] for letter, (name, axis) in getattr(module, "SIZE_OF", {}).items()}


def given(case, unit):
    """{name: array} of a case's inputs; in a dict the array that goes by the unit's key, such as params[W_x]."""
    key = unit.name.partition("[")[2]
    arrays = {f"{name}[{key}" if key else name: value.get(key[:-1]) if isinstance(value, dict) else value
              for name, value in case.items()}
    return {name: value for name, value in arrays.items() if isinstance(value, np.ndarray)}


def only_where(cases, bad, seen):
    """The setting (a number, string or None among the inputs) that all wrong cases share and no right one has."""
    for name, value in cases[bad[0]].items():
        if isinstance(value, (str, int, type(None))) and len(bad) < len(seen):
            if all((cases[case][name] == value) == (case in bad) for case in seen):
                return f"{name} is {value!r}"
    return None


def worst_entry(wrong):
    """The entry that is furthest from right, of the first wrong output."""
    for check in wrong:
        if check.got is not None and check.got.size and not np.array_equal(check.got, check.want):
            distance = np.nan_to_num(np.abs(check.got - check.want), nan=np.inf)
            index = np.unravel_index(distance.argmax(), distance.shape)
            got, want = check.got[index], check.want[index]
            where = f"[{', '.join(str(int(i)) for i in index)}]" if index else ""
            ratio = f", ratio {got / want:.4g}" if want else ""
            ratio = f", {got - want:+.2g}" if ratio == ", ratio 1" else ratio
            return [f"worst entry {check.name}{where} in case {check.case + 1}: yours {got:.6g}, expected {want:.6g}"
                    f"{ratio}"]
    return []


def summary(module, checks, wrong):
    """Which outputs are right and which are wrong, and of gates how many; a dict that is all right or all wrong goes by
    its own name.
    """
    bad = {check.name for check in wrong}
    parts = {}
    for check in checks:
        parts.setdefault(check.name.partition("[")[0], {})[check.name] = check.name in bad
    words = {True: [], False: []}
    for name, states in parts.items():
        for part, state in states.items() if len(set(states.values())) > 1 else [(name, max(states.values()))]:
            words[state].append(part)
    right = f"; right: {', '.join(words[False])}" if words[False] else ""
    return [f"wrong: {', '.join(words[True])}{right}{gates_wrong(module, checks)}"]


def gates_wrong(module, checks):
    """How many gates are wrong, and which, of the outputs that are counted gate by gate and are wrong; or nothing."""
    found = {}
    for unit in units_of(module, checks):
        if unit.gate and unit.wrong:
            found.setdefault(unit.name, []).append(unit.gate)
    many = len(set(map(tuple, found.values()))) > 1
    told = {f"{f'{name}: ' if many else ''}{len(gates)} of 4 gates {'is' if len(gates) == 1 else 'are'} wrong: "
            f"{', '.join(gates)}": None for name, gates in found.items()}
    return "".join(f"; {words}" for words in told)
