//! The colours that the terminal supports, and the style of each element of the screen.

use ratatui::style::{Color, Modifier, Style};

use crate::config::Colours;
use crate::text::{Colour, Format};

/// The relative luminance (WCAG 2) that has the same contrast to black and to white, slightly more
/// than 4.5 to 1.
const BETWEEN_BLACK_AND_WHITE: f64 = 0.179;
/// The number of hues for nicks.
const HUES: u32 = 24;
/// The colours of the terminal that are legible on a light and on a dark background.
const SIXTEEN: [Color; 5] = [
    Color::Red,
    Color::Green,
    Color::Magenta,
    Color::Cyan,
    Color::Blue,
];

/// The styles. Each element has a method of its own, even if some look the same.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colours: Colours,
}

/// Returns the colours that the environment requests (`NO_COLOR`, `COLORTERM`).
pub fn colours_from_environment() -> Colours {
    let var = |name| std::env::var(name).ok();
    colours(var("NO_COLOR").as_deref(), var("COLORTERM").as_deref())
}

fn colours(no_color: Option<&str>, colorterm: Option<&str>) -> Colours {
    match (no_color, colorterm) {
        (Some(no_color), _) if !no_color.is_empty() => Colours::None,
        (_, Some("truecolor" | "24bit")) => Colours::True,
        _ => Colours::Sixteen,
    }
}

#[allow(clippy::unused_self, reason = "every style is a method of the theme")]
impl Theme {
    /// Creates the theme for a number of colours.
    pub fn new(colours: Colours) -> Self {
        Self { colours }
    }

    /// Returns the style of a nick. A nick always has the same style.
    pub fn nick(self, nick: &str) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let hash = hash(&nick.to_lowercase());
        match self.colours {
            Colours::None => bold,
            Colours::Sixteen => bold
                .fg(usize::try_from(hash)
                    .map_or(Color::Reset, |hash| SIXTEEN[hash % SIXTEEN.len()])),
            Colours::True => {
                let (red, green, blue) = legible(f64::from(hash % HUES) / f64::from(HUES));
                bold.fg(Color::Rgb(red, green, blue))
            }
        }
    }

    /// Returns the style of less important text: times, joins and parts.
    pub fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Returns the style of errors and highlights.
    pub fn alert(self) -> Style {
        self.coloured(Color::Red, (214, 45, 45))
            .add_modifier(Modifier::BOLD)
    }

    /// Returns the style of new or selected elements.
    pub fn accent(self) -> Style {
        self.coloured(Color::Cyan, (0, 124, 150))
            .add_modifier(Modifier::BOLD)
    }

    /// Returns the style of the topic and status lines.
    pub fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Returns the style for a format set by formatting codes.
    pub fn formatted(self, format: Format) -> Style {
        let mut style = Style::new();
        let modifiers = [
            (format.bold, Modifier::BOLD),
            (format.italic, Modifier::ITALIC),
            (format.underline, Modifier::UNDERLINED),
            (format.strike, Modifier::CROSSED_OUT),
            (format.reverse, Modifier::REVERSED),
        ];
        for (_, modifier) in modifiers.into_iter().filter(|(wanted, _)| *wanted) {
            style = style.add_modifier(modifier);
        }
        if format.monospace {
            style = style.patch(self.coloured(Color::Cyan, (0, 124, 150)));
        }
        if let Some(colour) = format.foreground.and_then(|colour| self.colour(colour)) {
            style = style.fg(colour);
        }
        if let Some(colour) = format.background.and_then(|colour| self.colour(colour)) {
            style = style.bg(colour);
        }
        style
    }

    fn coloured(self, sixteen: Color, (red, green, blue): (u8, u8, u8)) -> Style {
        match self.colours {
            Colours::None => Style::new(),
            Colours::Sixteen => Style::new().fg(sixteen),
            Colours::True => Style::new().fg(Color::Rgb(red, green, blue)),
        }
    }

    fn colour(self, colour: Colour) -> Option<Color> {
        match (self.colours, colour) {
            (Colours::None, _) | (Colours::Sixteen, Colour::Exact(..)) => None,
            (_, Colour::Exact(red, green, blue)) => Some(Color::Rgb(red, green, blue)),
            (_, Colour::Numbered(number)) => MIRC.get(usize::from(number)).copied(),
        }
    }
}

/// The sixteen mIRC colours, as colours of the terminal.
const MIRC: [Color; 16] = [
    Color::White,
    Color::Black,
    Color::Blue,
    Color::Green,
    Color::LightRed,
    Color::Red,
    Color::Magenta,
    Color::Yellow,
    Color::LightYellow,
    Color::LightGreen,
    Color::Cyan,
    Color::LightCyan,
    Color::LightBlue,
    Color::LightMagenta,
    Color::DarkGray,
    Color::Gray,
];

/// The FNV-1a hash: short, and stable across versions and platforms.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Returns the colour of a hue (0 to 1) that is equally legible on black and on white.
fn legible(hue: f64) -> (u8, u8, u8) {
    let (mut dark, mut light) = (0.0, 1.0);
    for _ in 0..20 {
        let middle = f64::midpoint(dark, light);
        if luminance(from_hsl(hue, middle)) < BETWEEN_BLACK_AND_WHITE {
            dark = middle;
        } else {
            light = middle;
        }
    }
    from_hsl(hue, dark)
}

/// Converts a hue and a lightness (0 to 1) to RGB, with a fixed, moderate saturation.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 255 by construction"
)]
fn from_hsl(hue: f64, lightness: f64) -> (u8, u8, u8) {
    let amplitude = 0.7 * lightness.min(1.0 - lightness);
    let channel = |offset: f64| {
        let position = (offset + hue * 12.0) % 12.0;
        let value = lightness - amplitude * (position - 3.0).min(9.0 - position).clamp(-1.0, 1.0);
        (value * 255.0).round() as u8
    };
    (channel(0.0), channel(8.0), channel(4.0))
}

fn luminance((red, green, blue): (u8, u8, u8)) -> f64 {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hue_is_legible_on_black_and_on_white() {
        for hue in 0..HUES {
            let colour = legible(f64::from(hue) / f64::from(HUES));
            let light = luminance(colour);
            let (on_black, on_white) = ((light + 0.05) / 0.05, 1.05 / (light + 0.05));
            assert!(
                on_black > 4.3 && on_white > 4.3,
                "{colour:?}: {on_black} and {on_white}"
            );
        }
    }

    #[test]
    fn a_nick_always_has_the_same_colour() {
        let theme = Theme::new(Colours::True);
        assert_eq!(theme.nick("Alice"), theme.nick("alice"));
        let names = [
            "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
        ];
        let colours: std::collections::HashSet<_> =
            names.iter().map(|name| theme.nick(name)).collect();
        assert!(colours.len() >= 6, "{colours:?}");
    }

    #[test]
    fn no_color_disables_all_colours() {
        let theme = Theme::new(colours(Some("1"), Some("truecolor")));
        let red = Format {
            foreground: Some(Colour::Numbered(4)),
            bold: true,
            ..Format::default()
        };
        for style in [
            theme.nick("alice"),
            theme.alert(),
            theme.accent(),
            theme.bar(),
            theme.formatted(red),
        ] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert_eq!(colours(Some(""), Some("truecolor")), Colours::True);
        assert_eq!(colours(None, None), Colours::Sixteen);
    }
}
