//! Passages out of a job's input.

use crate::error::EngineError;
use crate::limits::{MAX_ID_BYTES, MAX_LINE_BYTES, MAX_PASSAGES};
use crate::spec::InputFormat;
use serde::Deserialize;
use std::borrow::Cow;

/// One passage. Its index is its place among the passages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage<'a> {
    /// The line it stands on, from 1.
    pub line: u64,
    pub id: Option<Cow<'a, str>>,
    pub text: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// All passages of an input, or the first line that is wrong.
///
/// Lines end with `\n` or `\r\n`; a byte order mark at the start is skipped, and so are lines of nothing but
/// white space, which keep their numbers.
pub fn parse(bytes: &[u8], format: InputFormat) -> Result<Vec<Passage<'_>>, EngineError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut passages = Vec::new();
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let number = i as u64 + 1;
        let wrong = |message: String| EngineError::InputLine {
            line: number,
            message,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_LINE_BYTES {
            return Err(wrong(format!(
                "it has {} bytes, and {MAX_LINE_BYTES} are the most; split the passage",
                line.len()
            )));
        }
        let line = std::str::from_utf8(line).map_err(|e| {
            wrong(format!(
                "it isn't UTF-8 from its byte {} on; save the file as UTF-8",
                e.valid_up_to() + 1
            ))
        })?;
        if line.trim().is_empty() {
            continue;
        }
        if passages.len() as u64 == MAX_PASSAGES {
            return Err(wrong(format!(
                "a job takes {MAX_PASSAGES} passages; put the rest into another"
            )));
        }
        passages.push(match format {
            InputFormat::Lines => Passage {
                line: number,
                id: None,
                text: line.into(),
            },
            InputFormat::Jsonl => {
                let JsonLine { id, text } = serde_json::from_str(line).map_err(|e| {
                    // serde_json counts lines of its own; only the column is of use.
                    let what = e.to_string();
                    let what = what.split(" at line ").next().unwrap_or_default();
                    wrong(format!(
                        "it isn't an object {{\"id\": string, \"text\": string}} (\"id\" may be left out): \
                         {what} at column {}",
                        e.column()
                    ))
                })?;
                if id.as_ref().is_some_and(|id| id.len() > MAX_ID_BYTES) {
                    return Err(wrong(format!(
                        "its id is longer than {MAX_ID_BYTES} bytes"
                    )));
                }
                Passage {
                    line: number,
                    id,
                    text,
                }
            }
        });
    }
    if passages.is_empty() {
        return Err(EngineError::Input(
            "it has no passages: every line is blank".into(),
        ));
    }
    Ok(passages)
}
