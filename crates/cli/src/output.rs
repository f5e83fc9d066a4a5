//! What goes to stdout: a table for people, or the same fields as JSON, JSON lines or YAML. Everything else goes to stderr.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

use clap::ValueEnum;
use serde_json::Value;

use crate::failure::{Failure, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One document.
    Json,
    /// One line a row.
    Jsonl,
    Yaml,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Yaml => "yaml",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub format: Format,
    pub color: bool,
}

impl Output {
    pub fn new(format: Format, color: bool) -> Self {
        Self { format, color }
    }

    pub fn for_people(&self) -> bool {
        self.format == Format::Table
    }

    /// One thing: its fields as JSON, `rows` of label and text for people.
    pub fn record(&self, value: &Value, rows: &[(&str, String)]) -> Result<()> {
        if !self.for_people() {
            return self.document(value);
        }
        let width = rows
            .iter()
            .map(|(label, _)| label.chars().count())
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for (label, cell) in rows.iter().filter(|(_, cell)| !cell.is_empty()) {
            let _ = writeln!(
                text,
                "{}{:pad$}  {cell}",
                self.dim(label),
                "",
                pad = width - label.chars().count()
            );
        }
        print(&text)
    }

    /// Rows of the same kind. `empty` is what people read when there are none.
    pub fn list(
        &self,
        items: &[Value],
        columns: &[&str],
        cells: &[Vec<String>],
        empty: &str,
    ) -> Result<()> {
        match self.format {
            Format::Json | Format::Yaml => self.document(&Value::Array(items.to_vec())),
            Format::Jsonl => {
                let mut text = String::new();
                for item in items {
                    let _ = writeln!(text, "{item}");
                }
                print(&text)
            }
            Format::Table if cells.is_empty() => {
                eprintln!("{empty}");
                Ok(())
            }
            Format::Table => print(&self.grid(columns, cells)),
        }
    }

    /// The value in the chosen format, for commands whose people read something else.
    pub fn document(&self, value: &Value) -> Result<()> {
        match self.format {
            // A person who looks at it wants lines; a program wants one.
            Format::Json if io::stdout().is_terminal() => print(&format!(
                "{}\n",
                serde_json::to_string_pretty(value).unwrap_or_default()
            )),
            Format::Yaml => {
                let mut text = String::new();
                yaml(value, 0, &mut text);
                print(&text)
            }
            Format::Json | Format::Jsonl | Format::Table => print(&format!("{value}\n")),
        }
    }

    pub fn text(&self, text: &str) -> Result<()> {
        print(text)
    }

    fn grid(&self, columns: &[&str], cells: &[Vec<String>]) -> String {
        let widths: Vec<usize> = columns
            .iter()
            .enumerate()
            .map(|(i, column)| {
                let widest = cells
                    .iter()
                    .filter_map(|row| row.get(i))
                    .map(|cell| cell.chars().count())
                    .max();
                widest.unwrap_or(0).max(column.chars().count())
            })
            .collect();
        let line = |row: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (cell, width) in row.zip(&widths) {
                let _ = write!(
                    text,
                    "{cell}{:pad$}  ",
                    "",
                    pad = width.saturating_sub(cell.chars().count())
                );
            }
            text.trim_end().to_owned()
        };
        let mut text = format!("{}\n", self.dim(&line(&mut columns.iter().copied())));
        for row in cells {
            text.push_str(&line(&mut row.iter().map(String::as_str)));
            text.push('\n');
        }
        text
    }

    fn dim(&self, text: &str) -> String {
        if self.color {
            format!("\x1b[2m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Writes to stdout. A reader that went away (`io … | head`) is no failure.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("stdout: {error}"))
                .hint("Is the disk that stdout goes to full?"))
        }
        _ => Ok(()),
    }
}

/// Block YAML. Strings are written as JSON writes them, which YAML reads the same.
fn yaml(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let _ = write!(text, "{:1$}{key}:", "", depth * 2);
                yaml_value(value, depth, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(text, "{:1$}-", "", depth * 2);
                yaml_value(item, depth, text);
            }
        }
        scalar => {
            let _ = writeln!(text, "{scalar}");
        }
    }
}

fn yaml_value(value: &Value, depth: usize, text: &mut String) {
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        yaml(value, depth + 1, text);
    } else {
        let _ = writeln!(text, " {value}");
    }
}

/// Commands that a text names, as this process was called: who runs `target/debug/io` has no `io` to go on with.
pub fn as_invoked(text: &str) -> String {
    let invoked = std::env::args().next().unwrap_or_default();
    name_command(text, &invoked)
}

fn name_command(text: &str, invoked: &str) -> String {
    if invoked.is_empty() || invoked == "io" {
        return text.to_owned();
    }
    let mut named = text.to_owned();
    for before in ["`", "next: ", "then: ", "($ "] {
        named = named.replace(&format!("{before}io "), &format!("{before}{invoked} "));
    }
    named
}

/// A unix time as UTC, `2026-11-21 01:30:00Z`.
pub fn utc(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400);
    // Days since 1970 to year, month and day: Howard Hinnant's civil_from_days.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Seconds as people say them.
pub fn seconds(total: f64) -> String {
    match total {
        t if t < 0.995 => format!("{:.0} ms", t * 1_000.0),
        t if t < 99.5 && (t - t.round()).abs() < 0.05 => format!("{t:.0} s"),
        t if t < 99.5 => format!("{t:.1} s"),
        t if t < 5_400.0 => format!("{:.0} min", t / 60.0),
        t if t < 172_800.0 => format!("{:.1} h", t / 3_600.0),
        t => format!("{:.0} days", t / 86_400.0),
    }
}

/// The first and last characters of an address, for narrow tables.
pub fn short(address: &str) -> String {
    if address.len() <= 12 || !address.is_ascii() {
        return address.to_owned();
    }
    format!("{}…{}", &address[..4], &address[address.len() - 4..])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn commands_are_named_as_this_one_was_called() {
        let text = "Start with `io up`; next: io stake add AMOUNT. The radio plays IO `iota x`.";
        assert_eq!(name_command(text, "io"), text);
        assert_eq!(name_command(text, ""), text);
        assert_eq!(
            name_command(text, "./target/io"),
            "Start with `./target/io up`; next: ./target/io stake add AMOUNT. The radio plays IO `iota x`."
        );
    }

    #[test]
    fn yaml_nests_and_quotes() {
        let mut text = String::new();
        let value = json!({"a": 1, "b": ["x: y", {"c": null, "d": []}], "e": {}});
        yaml(&value, 0, &mut text);
        assert_eq!(
            text,
            "a: 1\nb:\n  - \"x: y\"\n  -\n    c: null\n    d: []\ne: {}\n"
        );
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00Z");
        assert_eq!(utc(951_827_696), "2000-02-29 12:34:56Z");
        assert_eq!(utc(1_795_222_200), "2026-11-21 00:50:00Z");
        assert_eq!(utc(-1), "1969-12-31 23:59:59Z");
    }

    #[test]
    fn columns_line_up() {
        let output = Output::new(Format::Table, false);
        let grid = output.grid(
            &["A", "LONG"],
            &[
                vec!["wide".into(), "x".into()],
                vec!["é".into(), "yy".into()],
            ],
        );
        assert_eq!(grid, "A     LONG\nwide  x\né     yy\n");
    }
}
