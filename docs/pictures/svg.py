#!/usr/bin/env python3
"""Turns a captured terminal screen (tmux capture-pane -e -p) on standard input into an SVG picture on standard output."""

import re
import sys
import unicodedata
from dataclasses import dataclass, replace
from html import escape

WIDTH, HEIGHT, SIZE, MARGIN = 8.4, 18, 14, 12
BACKGROUND, FOREGROUND = "#16181d", "#d8dade"
SIXTEEN = [
    "#2b2f37", "#e06c75", "#98c379", "#d7a65f", "#61afef", "#c678dd", "#4fb6c2", "#c8ccd4",
    "#5c6370", "#ef8089", "#abd18e", "#e8bd7c", "#7fc0f5", "#d494e6", "#6fcbd5", "#ffffff",
]
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"


@dataclass(frozen=True)
class Look:
    """How a cell looks."""

    fore: str | None = None
    back: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    reverse: bool = False

    def colours(self):
        fore, back = self.fore or FOREGROUND, self.back
        return (back or BACKGROUND, fore) if self.reverse else (fore, back)


def colour(codes):
    """The colour after 38 or 48."""
    kind = next(codes)
    if kind == 2:
        return "#{:02x}{:02x}{:02x}".format(next(codes), next(codes), next(codes))
    number = next(codes)
    if number < 16:
        return SIXTEEN[number]
    if number >= 232:
        return "#{0:02x}{0:02x}{0:02x}".format(8 + 10 * (number - 232))
    steps = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "#{:02x}{:02x}{:02x}".format(steps[number // 36], steps[number // 6 % 6], steps[number % 6])


def changed(look, parameters):
    """The look after an SGR sequence."""
    codes = iter([int(code or 0) for code in parameters.replace(":", ";").split(";")])
    switches = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}
    for code in codes:
        if code == 0:
            look = Look()
        elif code in switches:
            look = replace(look, **{switches[code]: True})
        elif code == 22:
            look = replace(look, bold=False, dim=False)
        elif 23 <= code <= 29 and code - 20 in switches:
            look = replace(look, **{switches[code - 20]: False})
        elif 30 <= code <= 37 or 90 <= code <= 97:
            look = replace(look, fore=SIXTEEN[code - 30 if code < 90 else code - 82])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            look = replace(look, back=SIXTEEN[code - 40 if code < 100 else code - 92])
        elif code == 38:
            look = replace(look, fore=colour(codes))
        elif code == 48:
            look = replace(look, back=colour(codes))
        elif code == 39:
            look = replace(look, fore=None)
        elif code == 49:
            look = replace(look, back=None)
    return look


def width(letter):
    if unicodedata.combining(letter) or letter == "\u200d":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def runs(line, look):
    """The runs of one look in a line, with their columns; and the look at its end."""
    found, column, text, start = [], 0, "", 0
    for piece in re.split(r"(\x1b\[[0-9;:]*m|[\x0e\x0f])", line):
        if piece.startswith("\x1b"):
            if text:
                found.append((start, column, text, look))
            text, start = "", column
            look = changed(look, piece[2:-1])
        elif piece not in ("\x0e", "\x0f"):
            text += piece
            column += sum(map(width, piece))
    if text:
        found.append((start, column, text, look))
    return found, look


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    look, rows = Look(), []
    for line in lines:
        found, look = runs(line, look)
        rows.append(found)
    columns = max((end for row in rows for _, end, _, _ in row), default=1)
    across, down = columns * WIDTH + 2 * MARGIN, len(rows) * HEIGHT + 2 * MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:.0f} {down:.0f}" width="{across:.0f}">')
    print(f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>')
    print(f'<g font-family="{FONTS}" font-size="{SIZE}" xml:space="preserve">')
    for number, row in enumerate(rows):
        top = MARGIN + number * HEIGHT
        for start, end, text, look in row:
            fore, back = look.colours()
            left, wide = MARGIN + start * WIDTH, (end - start) * WIDTH
            if back:
                print(f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{HEIGHT}" fill="{back}"/>')
            if not text.strip():
                continue
            # Spaces at the ends would be stretched otherwise than letters.
            inner = text.strip(" ")
            left += (len(text) - len(text.lstrip(" "))) * WIDTH
            wide = sum(map(width, inner)) * WIDTH
            lines = " ".join(["underline"] * look.underline + ["line-through"] * look.strike)
            style = (
                (' font-weight="bold"' if look.bold else "")
                + (' font-style="italic"' if look.italic else "")
                + (' opacity="0.6"' if look.dim else "")
                + (f' text-decoration="{lines}"' if lines else "")
            )
            print(
                f'<text x="{left:.1f}" y="{top + 13}" fill="{fore}" textLength="{wide:.1f}" '
                f'lengthAdjust="spacingAndGlyphs"{style}>{escape(inner)}</text>'
            )
    print("</g>\n</svg>")


main()
