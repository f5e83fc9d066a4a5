//! Figures of the oracle's matching and of the embedding engine, from their own benchmarks.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    Places,
    page::{machine, table},
    programs::{figures, output},
};

fn cargo(places: &Places) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&places.root);
    cargo
}

fn shown(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

fn rows(figures: &[Value]) -> Result<Vec<Vec<String>>> {
    figures
        .iter()
        .map(|figure| {
            let name = figure["name"].as_str().context("a figure without a name")?;
            let value = figure["value"]
                .as_f64()
                .context("a figure without a value")?;
            let unit = figure["unit"].as_str().unwrap_or_default();
            Ok(vec![
                name.replace('_', " "),
                format!("{} {unit}", shown(value)),
            ])
        })
        .collect()
}

pub fn matching(places: &Places) -> Result<String> {
    let figures =
        figures(cargo(places).args(["bench", "--quiet", "--workspace", "--bench", "matching"]))?;
    if figures.is_empty() {
        bail!("the matching benchmark printed no figures");
    }
    Ok(format!(
        "{}\nIn memory, one thread, release build.\n\n{}",
        machine(),
        table(&["", ""], &rows(&figures)?)
    ))
}

/// The same passages through sentence-transformers, in a Python environment that is kept in the cache.
fn reference(places: &Places, passages: &std::path::Path) -> Result<Option<f64>> {
    let Some(python) = std::env::var_os("IO_BENCH_PYTHON") else {
        return Ok(None);
    };
    let script = places.root.join("tests/bench/reference.py");
    let figures = figures(Command::new(python).arg(script).arg(passages))?;
    Ok(figures.first().and_then(|figure| figure["value"].as_f64()))
}

pub fn embed(places: &Places) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let passages = folder.path().join("passages.txt");
    let count = write_passages(&passages)?;
    let figures = figures(
        cargo(places)
            .args([
                "run",
                "--release",
                "--quiet",
                "--package",
                "io-engines",
                "--bin",
                "bench-engines",
                "--",
            ])
            .arg(&passages),
    )?;
    let ours = figures
        .iter()
        .find(|figure| figure["name"] == "embed_passages_per_s")
        .and_then(|figure| figure["value"].as_f64())
        .context("bench-engines printed no embed_passages_per_s")?;
    let beside = match reference(places, &passages)? {
        Some(theirs) => format!(
            "sentence-transformers (PyTorch) on the same text in the same run: {theirs:.0} passages/s. Ours is {:.2} × that (aim: at \
             least 1 ×).",
            ours / theirs
        ),
        None => {
            "No reference in this run: set IO_BENCH_PYTHON to a Python with sentence-transformers."
                .to_owned()
        }
    };
    let version = output(cargo(places).args(["--version"]))?;
    Ok(format!(
        "{}\n{count} passages of Debian's policy manual, release build ({}).\n\n{}\n{beside}\n",
        machine(),
        version.trim(),
        table(&["", ""], &rows(&figures)?)
    ))
}

/// Paragraphs of the text that `./x setup` fetched, one a line.
fn write_passages(to: &std::path::Path) -> Result<usize> {
    let cache =
        std::env::var("IO_NETWORK_CACHE").context("IO_NETWORK_CACHE is not set: run ./x bench")?;
    let path = std::path::Path::new(&cache).join("text/debian-policy.txt");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{}: run ./x setup", path.display()))?;
    let passages: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| paragraph.len() >= 40)
        .take(1_200)
        .collect();
    std::fs::write(to, passages.join("\n") + "\n")?;
    Ok(passages.len())
}
