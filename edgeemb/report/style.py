"""The page's style sheet."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #fff; --line: #dde2e9;
  --accent: #2563eb;
  --part0: #2563eb; --part1: #f59e0b; --part2: #10b981; --part3: #a855f7; --part4: #94a3b8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --paper: #12161c;
  --line: #2b333e; --accent: #60a5fa;
  --part0: #60a5fa; --part1: #fbbf24; --part2: #34d399; --part3: #c084fc; --part4: #64748b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.45 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line);
  padding-bottom: .25rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .15rem 0; }
svg { display: block; overflow: visible; }
svg text { fill: var(--soft); font-size: 12px; }
.bar { margin: .5rem 0 .75rem; }
.bar > p:first-child { display: flex; justify-content: space-between; gap: 1rem; }
.bar span { overflow-wrap: anywhere; }
.bar b { white-space: nowrap; font-variant-numeric: tabular-nums; }
.note, .axis, .notes { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; margin: .5rem 0;
  list-style: none; font-size: .85rem; }
.legend svg { display: inline-block; }
.accent { fill: var(--accent); }
.part0 { fill: var(--part0); } .part1 { fill: var(--part1); } .part2 { fill: var(--part2); }
.part3 { fill: var(--part3); }
.part4 { fill: var(--part4); }
.mark { stroke: var(--ink); stroke-width: 2; }
.grid { stroke: var(--line); }
.point { fill: var(--accent); }
svg text.number { fill: var(--paper); font-weight: 700; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; }
thead th { overflow-wrap: anywhere; min-width: 6rem; }
tbody th { text-align: left; font-weight: normal; position: sticky; left: 0; background: var(--paper);
  min-width: 8rem; }
tr.group th { font-weight: 700; }
.absent { color: var(--soft); }
"""
