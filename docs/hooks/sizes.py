"""Fills the table of sizes on the page of codecs: what each codec makes of a table of any number of rows.

The sizes of a codec are on a line over the rows: the page has its two numbers, by which a script computes the size of the shape that is asked for.
Both come from `edgeemb.tables.nbytes`. A codec whose sizes are on no line is left out.
"""

from __future__ import annotations

import json
from typing import Any

from edgeemb.errors import SpecError
from edgeemb.tables import CODECS, nbytes
from edgeemb.tables.registry import suited
from edgeemb.tables.spec import parse_spec

MARK = "<!-- sizes -->"
COLUMNS = (128, 256, 312, 384, 512, 640, 768, 1024, 2048)
#: Shapes whose sizes give the line, and those that must lie on it.
_FROM, _TO, _BETWEEN = 10_000, 400_000, (30_522, 151_936)


def lines(columns: int) -> list[tuple[str, float, float]]:
    """Each codec's example with its bytes for a row and its bytes beside them.

    :param columns: D.
    """
    found = []
    for codec in CODECS.values():
        spec = suited(parse_spec(codec.example), columns)
        try:
            low, high, *between = (nbytes(spec, rows, columns) for rows in (_FROM, _TO, *_BETWEEN))
        except SpecError:
            continue
        if low is None or high is None:
            continue
        slope = (high - low) / (_TO - _FROM)
        start = low - slope * _FROM
        if all(abs(start + slope * rows - size) < 1 for rows, size in zip(_BETWEEN, between, strict=True)):
            found.append((str(spec), slope, round(start)))
    return found


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    return markdown.replace(MARK, table()) if MARK in markdown else markdown


def table() -> str:
    """The table, its fields and its script, as HTML."""
    data = json.dumps({columns: lines(columns) for columns in COLUMNS}, separators=(",", ":"))
    options = "".join(
        f"<option{' selected' if columns == 384 else ''}>{columns}</option>" for columns in COLUMNS
    )
    return _HTML.replace("@OPTIONS@", options).replace("@DATA@", data).replace("@LEAST@", str(_FROM))


_HTML = """\
<div class="sizes" markdown="0">
<style>
.sizes label { margin-right: 1.5em; white-space: nowrap }
.sizes input, .sizes select { font: inherit; color: inherit; background: transparent; padding: .2em .4em;
  border: 1px solid var(--md-default-fg-color--lighter); border-radius: .2em; width: 7em }
.sizes option { color: initial }
.sizes table { display: table; width: 100%; margin-top: 1em; font-size: .7rem; border-collapse: collapse }
.sizes td, .sizes th { padding: .3em .6em .3em 0; text-align: right; white-space: nowrap }
.sizes td:first-child, .sizes th:first-child { text-align: left }
.sizes td:last-child { width: 40% }
@media (max-width: 45em) { .sizes td:last-child, .sizes th:last-child { display: none } }
.sizes .bar { height: .8em; background: var(--md-primary-fg-color); border-radius: .1em; min-width: 1px }
</style>
<label>rows <input id="sizes-rows" type="number" min="@LEAST@" value="30522"></label>
<label>columns <select id="sizes-columns">@OPTIONS@</select></label>
<table><thead><tr><th>spec</th><th>MB</th><th>of float32</th><th></th></tr></thead><tbody id="sizes-table"></tbody></table>
<script>
(() => {
  const lines = @DATA@;
  const rows = document.getElementById("sizes-rows"), columns = document.getElementById("sizes-columns");
  const show = () => {
    const count = Math.max(@LEAST@, Math.round(Number(rows.value) || 0)), whole = 4 * count * Number(columns.value);
    document.getElementById("sizes-table").replaceChildren(...lines[columns.value].map(([spec, slope, start]) => {
      const size = start + slope * count, part = 100 * size / whole, row = document.createElement("tr");
      const texts = [spec, (size / 1e6).toPrecision(4), part.toFixed(1) + "%"];
      texts.forEach((text) => { row.insertCell().textContent = text; });
      const bar = document.createElement("div");
      bar.className = "bar";
      bar.style.width = Math.min(100, part) + "%";
      row.insertCell().append(bar);
      return row;
    }));
  };
  rows.addEventListener("input", show);
  columns.addEventListener("input", show);
  show();
})();
</script>
</div>"""
