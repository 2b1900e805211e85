"""Edits of a reference: what a student did, if the edited reference gives the student's numbers.

The listed ones (MISTAKES of each exercise) have a name. The automatic ones are small slips at one place: a sign, a
factor or term left out, a missing transpose, = for +=; their name is the expression as it is and as it would be, and
of a sign whose it is.
"""

import ast
import copy
import functools
import inspect

import numpy as np

from sab_numpy.coursework.judge import expected

OTHER = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


class Edit:
    """One edited reference; `answer(case number)` runs it at most once a case."""

    def __init__(self, module, message, code):
        self.OUTPUTS, self.message, self.known = module.OUTPUTS, message, {}
        names = dict(vars(module))
        exec(code, names)
        self.reference = names["reference"]

    def answer(self, number, case):
        """{name: array}, or None where the edit does not run; warnings of wrong numbers are no news."""
        if number not in self.known:
            try:
                with np.errstate(all="ignore"):
                    self.known[number] = expected(self, case)
            except (ArithmeticError, LookupError, UnboundLocalError, ValueError, TypeError):
                self.known[number] = None
        return self.known[number]


def listed(module):
    """An Edit for each of the exercise's MISTAKES."""
    for message, code in mistakes(module):
        yield Edit(module, message, code)


def automatic(module):
    """An Edit for every place of the reference where one slip fits."""
    for message, code in slips(module):
        yield Edit(module, message, code)


@functools.cache
def mistakes(module):
    """(message, code) of each (message, text, other text); the text stands once."""
    source, found = inspect.getsource(module.reference), []
    for message, old, new in module.MISTAKES:
        if source.count(old) != 1:
            raise ValueError(f"{module.__name__}: {old!r} stands {source.count(old)} times in the reference, not once")
        found.append((message, compile(source.replace(old, new), "edited", "exec")))
    return found


@functools.cache
def slips(module):
    """(message, code) of every slip at one place."""
    tree = ast.parse(inspect.getsource(module.reference))
    found = []
    for number, statement in enumerate(simple_statements(tree)):
        for place, old in enumerate(ast.walk(statement)):
            for kind, (other, sign_of) in enumerate(replacements(old)):
                changed = copy.deepcopy(tree)
                line = simple_statements(changed)[number]
                new = Replace(list(ast.walk(line))[place], kind).visit(line)
                if new is not line:                            # the whole statement: = for +=, or its sign
                    changed = Replace(line, kind).visit(changed)
                target = ast.unparse(statement.targets[0] if isinstance(statement, ast.Assign) else statement.target)
                words = f"as if {ast.unparse(old)} were {ast.unparse(other)} in the line of {target}"
                if sign_of is statement:
                    words = f"the sign of the line of {target} is wrong, as if it had a minus"
                elif sign_of:
                    words = f"the sign of {ast.unparse(sign_of)} is wrong, {words}"
                found.append((words, compile(ast.fix_missing_locations(changed), "edited", "exec")))
    return found


def simple_statements(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Assign, ast.AugAssign))]


def replacements(node):
    """What may stand where `node` stands, by mistake: (other node, the node whose sign is then wrong or None)."""
    if isinstance(node, ast.BinOp) and type(node.op) in OTHER:
        summed = isinstance(node.op, (ast.Add, ast.Sub))
        flipped = ast.BinOp(node.left, OTHER[type(node.op)](), node.right)
        minus = ast.BinOp(ast.UnaryOp(ast.USub(), node.left), node.op, node.right)
        return [(flipped, node.right if summed else None), (node.left, None), (node.right, None),
                *([(minus, node.left), (ast.UnaryOp(ast.USub(), node), node)] if summed else ())]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return [(node.left, None)]
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return [(node.value, None)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return [(node.operand, node.operand)]
    if isinstance(node, ast.AugAssign):
        return [(ast.copy_location(ast.Assign([node.target], node.value), node), None),
                (ast.copy_location(ast.AugAssign(node.target, ast.Sub(), node.value), node), node)]
    if isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Tuple):
        negated = ast.UnaryOp(ast.USub(), node.value)
        return [(ast.copy_location(ast.Assign(node.targets, negated), node), node)]
    return []


class Replace(ast.NodeTransformer):
    def __init__(self, node, kind):
        self.node, self.kind = node, kind

    def visit(self, node):
        return replacements(node)[self.kind][0] if node is self.node else self.generic_visit(node)
