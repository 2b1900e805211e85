"""How Sphinx sets the book; tutorials/book/build.py calls it."""

import re

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError

import sab_numpy

project = "sab_numpy"
author = "the sab_numpy authors"
version = release = sab_numpy.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "Sparse Attentive Backtracking"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_extra_path = ["extra"]
html_copy_source = html_use_index = html_domain_indices = html_show_copyright = html_show_sphinx = False
html_show_search_summary = False                 # it would be fetched, which a page of the file system may not
html_math_renderer = "mathml"

myst_enable_extensions = ["amsmath", "attrs_inline", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"                        # build.py has run them
nb_merge_streams = True
autodoc_typehints = "none"


KNOWN = (                                        # else the t of \hat h_t is below it, and \big( unknown
    (r"(\\(?:hat|bar|tilde)\s*(?:\w|\{\w+\}))(?=[_^])", r"\1{}"),
    (r"\\(tanh|exp|log)\b", r"\\,\\\1\\,"),         # else "o tanh c" has no spaces
    (r"\\big(?=[([])", r"\\bigl"),
    (r"\\big(?=[])])", r"\\bigr"),
)


def set_formula(block):
    """A visitor that puts a formula into the page as MathML, which browsers set themselves: no script, no font."""
    def visit(writer, node):
        text = node.astext()
        for written, known in KNOWN:
            text = re.sub(written, known, text)
        try:
            formula = tex2mathml(text, as_block=block)
        except MathError as error:
            raise ExtensionError(f"no formula: {node.astext()!r}: {error}") from None
        writer.body.append(f'<div class="math">{formula}</div>' if block else formula)
        raise SkipNode
    return visit, None


def keep_the_lines(app, what, name, thing, options, lines):
    """The first line of a docstring is a sentence, the rest has columns: both stay as they are."""
    rest = ["", ".. code-block:: text", "", *("   " + line for line in lines[1:])] if any(lines[1:]) else []
    lines[:] = [re.sub("`([^`]+)`", r"``\1``", lines[0].replace("*", r"\*")), *rest, ""]


def only_what_is_described(app, what, name, thing, skip, options):
    """Leaves out the fields of named tuples, of which Python says "Alias for field number 0"."""
    return skip or (getattr(thing, "__doc__", None) or "").startswith("Alias for field") or None


def setup(app):
    app.add_html_math_renderer("mathml", set_formula(False), set_formula(True))
    app.connect("autodoc-process-docstring", keep_the_lines)
    app.connect("autodoc-skip-member", only_what_is_described)
