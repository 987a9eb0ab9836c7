"""The frame of the picture of all nodes. What is in it, the page's script draws."""

from __future__ import annotations

from colt_llvm.report.tree import Nodes


def picture_section(nodes: Nodes) -> str:
    """The canvas with its buttons, the panel, the legend and the table of trials: filled by the script."""
    if len(nodes.rows) == 1:
        return "<p>No trial has ended yet.</p>\n"
    options = (
        '<option value="radial">Rings</option><option value="levels">Left to right</option>' if nodes.is_tree else ""
    )
    what = (
        "Each node is a program state: the passes on the way from the root, applied in turn. "
        if nodes.is_tree
        else "Each mark is a trial: a whole sequence of passes. "
    )
    intro = (
        f"<p>{what}Drag to move, turn the wheel to zoom, click a node to read it. With the keyboard, on the picture: "
        "<kbd>+</kbd> <kbd>\N{MINUS SIGN}</kbd> <kbd>0</kbd> zoom, arrows move, <kbd>Shift</kbd> and arrows walk "
        "from node to node, <kbd>N</kbd> <kbd>P</kbd> next and previous trial, <kbd>B</kbd> the best, "
        "<kbd>M</kbd> next miscompile, <kbd>Enter</kbd> the node in the middle.</p>\n"
    )
    return intro + (
        '<noscript><p class="missing">The picture needs JavaScript; nothing else on this page does.</p></noscript>\n'
        '<div class="tree" id="tree-view" hidden>\n'
        '<div class="bar" role="toolbar" aria-label="Tree">'
        '<button type="button" id="zoom-in" aria-label="Zoom in">+</button>'
        '<button type="button" id="zoom-out" aria-label="Zoom out">\N{MINUS SIGN}</button>'
        '<button type="button" id="zoom-fit">Whole picture</button>'
        f'<label>Layout <select id="layout">{options}<option value="trials">Ratio by trial</option></select></label>'
        '<button type="button" id="to-best">Jump to the best</button>'
        '<button type="button" id="previous-miscompile">Previous miscompile</button>'
        '<button type="button" id="next-miscompile">Next miscompile</button>'
        '<label class="filter">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" '
        'placeholder="pass, model, failure or #trial"></label>'
        '<output id="matches" for="filter" aria-live="polite"></output></div>\n'
        '<div class="stage"><canvas id="tree-canvas" tabindex="0" role="application" '
        'aria-label="Search tree; the table of trials below says the same in text" aria-describedby="panel"></canvas>\n'
        '<aside id="panel" aria-live="polite" aria-label="Selected node"></aside></div>\n'
        '<ul class="legend" id="legend" aria-label="Legend"></ul>\n'
        '<details id="trials"><summary>All trials as a table</summary>'
        '<div class="scroll" tabindex="0" role="group" aria-label="Trials"><table><caption>Trials that match the filter'
        '</caption><thead><tr><th scope="col" class="number">Trial</th><th scope="col">Passes added</th>'
        '<th scope="col">Proposed by</th><th scope="col" class="number">Ratio</th><th scope="col">Result</th></tr>'
        '</thead><tbody id="trial-rows"></tbody></table></div><div class="bar">'
        '<button type="button" id="page-back">Earlier trials</button><span id="page-place"></span>'
        '<button type="button" id="page-on">Later trials</button></div></details>\n</div>\n'
    )
