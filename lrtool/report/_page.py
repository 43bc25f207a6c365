"""The page around the sections: one file, no scripts, nothing fetched."""

from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from lrtool.errors import ArgumentError
from lrtool.report._html import text
from lrtool.report.sections import Section

__all__ = ["page", "write_report"]

# The browser itself is told to fetch nothing and to run nothing.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_CSS = """
:root { color-scheme: light dark; --paper:#fff; --text:#1d2530; --faint:#5d6876; --line:#e4e8ee;
        --pick:#b84e00; --soft:#f6f8fa; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper:#14181f; --text:#e8ecf2; --faint:#9aa5b4; --line:#2b323d; --pick:#ff8a3d;
          --soft:#1b2029; } }
* { box-sizing: border-box; }
body { margin:0 auto; max-width:960px; padding:2rem 1.25rem 4rem; background:var(--paper);
       color:var(--text); font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif; }
h1 { font-size:1.7rem; line-height:1.2; margin:0 0 .25rem; }
h2 { font-size:1.2rem; margin:2.5rem 0 .5rem; padding-top:1rem; border-top:1px solid var(--line); }
p { margin:.4rem 0; max-width:44em; overflow-wrap:anywhere; }
.lead { color:var(--faint); }
nav { margin:.9rem 0 0; font-size:.92rem; line-height:2; }
nav a { color:var(--pick); margin-right:1rem; text-decoration:none; overflow-wrap:anywhere;
        display:inline-block; line-height:1.4; }
figure { margin:1rem 0; }
figure img { width:100%; max-width:100%; height:auto; display:block; }
.tiles { display:flex; flex-wrap:wrap; gap:.6rem; margin:1rem 0; }
.tile { flex:1 1 8rem; background:var(--soft); border-radius:8px; padding:.6rem .8rem; }
.tile b { display:block; font-size:1.25rem; font-variant-numeric:tabular-nums;
          overflow-wrap:anywhere; }
.tile span { color:var(--faint); font-size:.85rem; }
.lrtool-table { overflow-x:auto; margin:.8rem 0; }
table { border-collapse:collapse; font-size:.9rem; min-width:40%; }
th, td { text-align:left; padding:.3rem .8rem .3rem 0; border-bottom:1px solid var(--line);
         vertical-align:top; overflow-wrap:break-word; }
th { color:var(--faint); font-weight:600; }
td.num { font-variant-numeric:tabular-nums; }
pre { background:var(--soft); padding:.7rem .9rem; border-radius:8px; overflow-x:auto;
      font-size:.85rem; white-space:pre-wrap; overflow-wrap:anywhere; }
details { margin:.8rem 0; } summary { cursor:pointer; color:var(--faint); }
.lrtool-download { color:var(--pick); }
footer { margin-top:3rem; color:var(--faint); font-size:.85rem; }
@media print { body { max-width:none; padding:0; font-size:11pt; } nav { display:none; }
  figure, tr, .tiles { break-inside:avoid; } h2 { break-after:avoid; } table { font-size:9pt; } }
"""


def page(title: str, sections: Iterable[Section], *, lead: str = "") -> str:
    """One complete HTML document.

    Args:
        title: the heading; escaped.
        sections: what to show, in this order.
        lead: one sentence under the heading; escaped.

    Returns:
        The document as text.
    """
    from lrtool import __version__

    parts = list(sections)
    links = "".join(f'<a href="#s{i}">{text(part.title)}</a>' for i, part in enumerate(parts))
    body = "\n".join(
        f'<section><h2 id="s{i}">{text(part.title)}</h2>{part.html}</section>'
        for i, part in enumerate(parts)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{text(title)}</title>
<style>{_CSS}</style>
</head>
<body>
<header><h1>{text(title)}</h1><p class="lead">{text(lead)}</p><nav>{links}</nav></header>
<main>
{body}
</main>
<footer>Written by lrtool {text(__version__)}. This page carries everything it shows.</footer>
</body>
</html>
"""


def write_report(
    path: str | Path, sections: Iterable[Section], *, title: str, lead: str = ""
) -> Path:
    """Write one self-contained page; the file appears whole or not at all.

    Args:
        path: the file to write; its folder must exist.
        sections: what to show, in this order.
        title: the heading.
        lead: one sentence under the heading.

    Returns:
        The path written.

    Raises:
        ArgumentError: when the folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ArgumentError(
            f"the folder of a report must exist, got {str(target)!r}; make its folder first"
        )
    document = page(title, sections, lead=lead)
    # A name of its own: workers that finish together write the same page.
    partial = target.with_name(f"{target.name}.{uuid4().hex}.partial")
    try:
        partial.write_text(document, encoding="utf-8")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target
