//! What instructions and accounts cost on chain: from docs/cu.json, which the tests keep true.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Places, page::table};

pub fn measure(places: &Places) -> Result<String> {
    let path = places.root.join("docs/cu.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let cu: Value = serde_json::from_str(&text).context("docs/cu.json")?;
    let instructions = cu["instructions"]
        .as_object()
        .context("docs/cu.json has no instructions")?;
    let number = |value: &Value| value.as_u64().map_or_else(String::new, |n| n.to_string());
    let rows: Vec<_> = instructions
        .iter()
        .map(|(name, row)| {
            let beyond = row["aim"]
                .as_u64()
                .zip(row["max"].as_u64())
                .is_some_and(|(aim, most)| most > aim);
            let most = number(&row["max"]);
            vec![
                format!("`{name}`"),
                number(&row["median"]),
                if beyond { format!("**{most}**") } else { most },
                number(&row["aim"]),
            ]
        })
        .collect();
    let mut text = format!(
        "Compute units over at least 100 random key sets (the search for a PDA's bump varies with the keys), from \
         [cu.json](cu.json). Aims are for the median, and a test holds it to them; what goes beyond one at most is in bold.\n\n{}",
        table(&["instruction", "median", "most", "aim"], &rows)
    );
    let mut sizes = Vec::new();
    for program in ["io_network", "io_consumer"] {
        let path = places.programs.join(format!("{program}.so"));
        if let Ok(file) = std::fs::metadata(&path) {
            sizes.push(vec![
                format!("`{program}.so`"),
                format!("{} bytes", file.len()),
                String::new(),
            ]);
        }
    }
    if let Some(accounts) = cu["accounts"].as_object() {
        for (name, row) in accounts {
            sizes.push(vec![
                format!("account `{name}`"),
                format!("{} bytes", number(&row["bytes"])),
                format!("{} lamports", number(&row["rent_lamports"])),
            ]);
        }
    }
    text.push('\n');
    text.push_str(&table(&["", "size", "rent"], &sizes));
    Ok(text)
}
