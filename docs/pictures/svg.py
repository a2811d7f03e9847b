#!/usr/bin/env python3
"""Turns a captured terminal screen (tmux capture-pane -e -p) on standard input into an SVG picture on standard output."""

import re
import sys
import unicodedata
from dataclasses import dataclass, replace
from html import escape

WIDTH, HEIGHT, SIZE, MARGIN = 8.4, 18, 14, 12
BACKGROUND, FOREGROUND = "#16181d", "#d8dade"
PALETTE = [
    "#2b2f37", "#e06c75", "#98c379", "#d7a65f", "#61afef", "#c678dd", "#4fb6c2", "#c8ccd4",
    "#5c6370", "#ef8089", "#abd18e", "#e8bd7c", "#7fc0f5", "#d494e6", "#6fcbd5", "#ffffff",
]
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"


@dataclass(frozen=True)
class Style:
    """The style of a cell."""

    foreground: str | None = None
    background: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    reverse: bool = False

    def colours(self):
        foreground, background = self.foreground or FOREGROUND, self.background
        return (background or BACKGROUND, foreground) if self.reverse else (foreground, background)


def colour(codes):
    """Returns the colour that the codes after 38 or 48 select."""
    kind = next(codes)
    if kind == 2:
        return "#{:02x}{:02x}{:02x}".format(next(codes), next(codes), next(codes))
    number = next(codes)
    if number < 16:
        return PALETTE[number]
    if number >= 232:
        return "#{0:02x}{0:02x}{0:02x}".format(8 + 10 * (number - 232))
    steps = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "#{:02x}{:02x}{:02x}".format(steps[number // 36], steps[number // 6 % 6], steps[number % 6])


def apply_sgr(style, parameters):
    """Returns a style after an SGR sequence with these parameters."""
    codes = iter([int(code or 0) for code in parameters.replace(":", ";").split(";")])
    switches = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}
    for code in codes:
        if code == 0:
            style = Style()
        elif code in switches:
            style = replace(style, **{switches[code]: True})
        elif code == 22:
            style = replace(style, bold=False, dim=False)
        elif 23 <= code <= 29 and code - 20 in switches:
            style = replace(style, **{switches[code - 20]: False})
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = replace(style, foreground=PALETTE[code - 30 if code < 90 else code - 82])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = replace(style, background=PALETTE[code - 40 if code < 100 else code - 92])
        elif code == 38:
            style = replace(style, foreground=colour(codes))
        elif code == 48:
            style = replace(style, background=colour(codes))
        elif code == 39:
            style = replace(style, foreground=None)
        elif code == 49:
            style = replace(style, background=None)
    return style


def width(letter):
    if unicodedata.combining(letter) or letter == "\u200d":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def runs(line, style):
    """Splits a line into parts of one style, with their columns. Also returns the style at its end."""
    parts, column, text, start = [], 0, "", 0
    for piece in re.split(r"(\x1b\[[0-9;:]*m|[\x0e\x0f])", line):
        if piece.startswith("\x1b"):
            if text:
                parts.append((start, column, text, style))
            text, start = "", column
            style = apply_sgr(style, piece[2:-1])
        elif piece not in ("\x0e", "\x0f"):
            text += piece
            column += sum(map(width, piece))
    if text:
        parts.append((start, column, text, style))
    return parts, style


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    style, rows = Style(), []
    for line in lines:
        parts, style = runs(line, style)
        rows.append(parts)
    columns = max((end for row in rows for _, end, _, _ in row), default=1)
    total_width, total_height = columns * WIDTH + 2 * MARGIN, len(rows) * HEIGHT + 2 * MARGIN
    size = f'viewBox="0 0 {total_width:.0f} {total_height:.0f}" width="{total_width:.0f}"'
    print(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>')
    print(f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>')
    print(f'<g font-family="{FONTS}" font-size="{SIZE}" xml:space="preserve">')
    for number, row in enumerate(rows):
        top = MARGIN + number * HEIGHT
        for start, end, text, style in row:
            foreground, background = style.colours()
            left, run_width = MARGIN + start * WIDTH, (end - start) * WIDTH
            if background:
                print(f'<rect x="{left:.1f}" y="{top}" width="{run_width:.1f}" height="{HEIGHT}" fill="{background}"/>')
            if not text.strip():
                continue
            # Without the spaces at both ends, which `textLength` would stretch differently.
            inner = text.strip(" ")
            left += (len(text) - len(text.lstrip(" "))) * WIDTH
            run_width = sum(map(width, inner)) * WIDTH
            decoration = " ".join(["underline"] * style.underline + ["line-through"] * style.strike)
            attributes = (
                (' font-weight="bold"' if style.bold else "")
                + (' font-style="italic"' if style.italic else "")
                + (' opacity="0.6"' if style.dim else "")
                + (f' text-decoration="{decoration}"' if decoration else "")
            )
            print(
                f'<text x="{left:.1f}" y="{top + 13}" fill="{foreground}" textLength="{run_width:.1f}" '
                f'lengthAdjust="spacingAndGlyphs"{attributes}>{escape(inner)}</text>'
            )
    print("</g>\n</svg>")


main()
