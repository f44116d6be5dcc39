//! A terminal's screen, as `tmux capture-pane -e` prints it, drawn as SVG.

use std::fmt::Write as _;

const LINE: usize = 18;
/// Of a character, in hundredths: what monospaced fonts of 14 pixels agree on.
const COLUMN: usize = 843;
const MARGIN: usize = 12;

const BACKGROUND: &str = "#1e1e2e";
const FOREGROUND: &str = "#d9dce7";
/// Black, red, green, yellow, blue, magenta, cyan, white.
const COLOURS: [&str; 8] =
    ["#45475a", "#f7768e", "#9ece6a", "#e0af68", "#7aa2f7", "#bb9af7", "#7dcfff", "#d9dce7"];

/// How text looks from here on.
#[derive(Clone, Default, PartialEq)]
struct Look {
    colour: Option<usize>,
    bold: bool,
    faint: bool,
    underlined: bool,
}

/// Draws a screen of so many columns.
pub fn draw(screen: &str, columns: usize) -> String {
    let lines: Vec<_> = screen.lines().collect();
    let width = columns * COLUMN / 100 + 2 * MARGIN;
    let height = lines.len() * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\" fill=\"{FOREGROUND}\" xml:space=\"preserve\">\n"
    );
    let mut look = Look::default();
    for (number, line) in lines.iter().enumerate() {
        let y = MARGIN + number * LINE + 14;
        let spans = spans(line, &mut look);
        if !spans.is_empty() {
            let _ = writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\">{spans}</text>");
        }
    }
    svg + "</g>\n</svg>\n"
}

fn spans(line: &str, look: &mut Look) -> String {
    let mut spans = String::new();
    for (number, part) in line.split("\x1b[").enumerate() {
        let text = match part.split_once('m') {
            Some((codes, text)) if number > 0 => {
                codes.split(';').for_each(|code| look.change(code));
                text
            }
            _ => part,
        };
        if text.is_empty() {
            continue;
        }
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        match look.attributes() {
            plain if plain.is_empty() => spans += &text,
            attributes => {
                let _ = write!(spans, "<tspan{attributes}>{text}</tspan>");
            }
        }
    }
    spans
}

impl Look {
    fn change(&mut self, code: &str) {
        match code.parse().unwrap_or(0) {
            0 => *self = Look::default(),
            1 => self.bold = true,
            2 => self.faint = true,
            4 => self.underlined = true,
            22 => (self.bold, self.faint) = (false, false),
            24 => self.underlined = false,
            39 => self.colour = None,
            49 => {} // the background as it is
            colour @ 30..=37 => self.colour = Some(colour - 30),
            other => panic!("what does `\\e[{other}m` look like?"),
        }
    }

    fn attributes(&self) -> String {
        let colour = self.colour.map(|colour| format!(" fill=\"{}\"", COLOURS[colour]));
        let mut text = colour.unwrap_or_default();
        for (is_so, attribute) in [
            (self.bold, " font-weight=\"bold\""),
            (self.faint, " opacity=\"0.6\""),
            (self.underlined, " text-decoration=\"underline\""),
        ] {
            if is_so {
                text += attribute;
            }
        }
        text
    }
}

#[test]
fn colours_and_what_is_special_in_xml() {
    let svg = draw("\x1b[1m\x1b[31merror\x1b[0m: a < b\n\x1b[2mfaint\x1b[0m", 20);
    assert!(
        svg.contains("<tspan fill=\"#f7768e\" font-weight=\"bold\">error</tspan>: a &lt; b</text>"),
        "{svg}"
    );
    assert!(svg.contains("y=\"44\"><tspan opacity=\"0.6\">faint</tspan>"), "{svg}");
}
