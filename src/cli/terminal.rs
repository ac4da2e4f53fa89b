//! What the commands print: escaped, coloured only on a terminal, silent once nobody reads.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{Timestamp, tz::TimeZone};

use super::error::Error;

/// A heading, or what there is little room for.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// What the eye should find first.
pub(crate) const STRONG: Style = Style::new().bold();
/// Something went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Something waits for a person.
pub(crate) const WAITING: Style = AnsiColor::Yellow.on_default();
/// Something went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// Standard output: knows whether it is a terminal and whether colours are wanted.
pub(crate) struct Output {
    /// Text goes to a person's eyes and not to a program.
    pub(crate) is_terminal: bool,
    colours: bool,
}

/// Asks the person at the terminal. `Err` says `otherwise`: nobody is there, or does not want it.
pub(crate) fn confirm(question: &str, otherwise: &str) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Usage(otherwise.to_owned()));
    }
    let ask = io::stderr().write_all(format!("{question} [y/N] ").as_bytes());
    let mut answer = String::new();
    ask.and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(|source| Error::io("the terminal cannot be read", source))?;
    let agrees = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if agrees { Ok(()) } else { Err(Error::Failed(otherwise.to_owned())) }
}

impl Output {
    pub(crate) fn new() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { is_terminal, colours: is_terminal && !unwanted }
    }

    /// Writes one line as it is.
    pub(crate) fn line(&self, text: &str) -> Result<(), Error> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes text that is a file's rather than a line's.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        written.map_err(|source| match source.kind() {
            io::ErrorKind::BrokenPipe => Error::OutputClosed,
            _ => Error::io("standard output cannot be written", source),
        })
    }

    /// Writes one line of JSON; on a terminal what could steer it is escaped, which leaves it the same JSON.
    pub(crate) fn json(&self, json: &str) -> Result<(), Error> {
        if self.is_terminal { self.line(&escape(json)) } else { self.line(json) }
    }

    /// Colours a text that is already escaped.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Writes rows below a heading, each column as wide as its widest cell but the last.
    pub(crate) fn table<const N: usize>(&self, heading: [&str; N], rows: &[[String; N]]) -> Result<(), Error> {
        let heading = heading.map(str::to_owned);
        let mut widths = [0; N];
        for row in std::iter::once(&heading).chain(rows) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let aligned = |row: &[String; N]| {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.line(&self.paint(FAINT, &aligned(&heading)))?;
        rows.iter().try_for_each(|row| self.line(&aligned(row)))
    }
}

/// Tells the person at the terminal something beside the output. A closed standard error changes nothing.
pub(crate) fn note(text: &str) {
    let _ = io::stderr().write_all(format!("{}\n", escape_lines(text)).as_bytes());
}

/// As [`note`], only where a person reads it as it happens.
pub(crate) fn hint(text: &str) {
    if io::stderr().is_terminal() {
        note(text);
    }
}

/// Makes a text from outside harmless on a terminal: control characters, and the marks that reorder what is read,
/// become JSON escapes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !steers(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // No steering character lies beyond the four digits that a JSON escape has.
            c if is_steering(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// As [`escape`], with the line breaks left in.
pub(crate) fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// One word for a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@%+=".contains(c);
    let is_plain = !text.is_empty() && text.chars().all(plain);
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// True for a text that could steer a terminal.
pub(crate) fn steers(text: &str) -> bool {
    text.chars().any(is_steering)
}

fn is_steering(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first `width` characters of an escaped text, with a mark where something was left out.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A span of time in the largest unit that says enough: `12s`, `5m`, `3h`, `2d`.
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        s if s < 120 => format!("{s}s"),
        s if s < 120 * 60 => format!("{}m", s / 60),
        s if s < 48 * 3600 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// A time by the clock of this machine.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A progress bar on standard error, if that is a terminal; without `bytes` it only counts.
pub(crate) fn progress(bytes: Option<u64>) -> ProgressBar {
    match bytes {
        Some(bytes) => bar(ProgressBar::new(bytes), "{bar:30} {bytes}/{total_bytes}  {msg}  {eta} left"),
        None => bar(ProgressBar::no_length(), "{spinner} {bytes}  {msg}"),
    }
}

/// The same for things that are counted, in steps that each have a name and a number.
pub(crate) fn steps() -> ProgressBar {
    bar(ProgressBar::no_length(), "{msg:20} {bar:30} {human_pos}/{human_len}  {eta} left")
}

fn bar(bar: ProgressBar, template: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    bar.set_draw_target(target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        for (text, expected) in [
            ("plain – ünïcödé 漢字", "plain – ünïcödé 漢字"),
            ("\u{1b}[2Jgone", "\\u001b[2Jgone"),
            ("\u{9b}31mred", "\\u009b31mred"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{202e}txt.exe", "\\u202etxt.exe"),
            ("\u{7f}\0", "\\u007f\\u0000"),
        ] {
            assert_eq!(escape(text), expected);
        }
        assert_eq!(escape_lines("one\n\u{7}two"), "one\n\\u0007two");
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let json = serde_json::json!({"text": "\u{1b}\u{9b}\u{202e}\u{7f}\n"});
        let shown = escape(&json.to_string()).into_owned();
        assert!(!shown.chars().any(is_steering));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).expect("valid"), json);
    }

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        for (text, word) in [
            ("/usr/bin/remora", "/usr/bin/remora"),
            ("/opt/my tools/remora", "'/opt/my tools/remora'"),
            ("Bash,mcp__*", "'Bash,mcp__*'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
    }

    #[test]
    fn a_span_is_told_in_one_unit() {
        let told: Vec<_> = [5, 119, 120, 7_199, 7_200, 172_800].map(span).into();
        assert_eq!(told, ["5s", "119s", "2m", "119m", "2h", "2d"]);
    }
}
