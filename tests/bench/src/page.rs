//! docs/benchmarks.md: sections between markers, so that one can be measured again alone.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};

const HEAD: &str = "# Benchmarks

Written by `./x bench`; each section says where it was measured. Compute units come from the VM and are exact. Times and
memory depend on the machine: read the ratios, which were measured against a baseline in the same run.
";

#[derive(Default)]
pub struct Page {
    sections: BTreeMap<String, String>,
}

impl Page {
    pub fn load(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let mut sections = BTreeMap::new();
        for part in text.split("<!-- section ").skip(1) {
            if let Some((name, body)) = part.split_once(" -->\n") {
                sections.insert(name.to_owned(), body.trim().to_owned());
            }
        }
        Ok(Self { sections })
    }

    pub fn set(&mut self, name: &str, heading: &str, text: &str) {
        self.sections
            .insert(name.to_owned(), format!("## {heading}\n\n{}", text.trim()));
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        let mut text = HEAD.to_owned();
        for section in &crate::SECTIONS {
            if let Some(body) = self.sections.get(section.name) {
                write!(text, "\n<!-- section {} -->\n{body}\n", section.name)?;
            }
        }
        fs::write(path, text).with_context(|| path.display().to_string())
    }
}

/// A Markdown table.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// Processor, cores and memory of this machine, in a line.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_else(|| "unknown".into())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let gib = memory
        .split_whitespace()
        .next()
        .and_then(|kib| kib.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1_048_576.0;
    format!(
        "Measured on {cores} cores ({}), {gib:.0} GiB.",
        after(&read("/proc/cpuinfo"), "model name")
    )
}
