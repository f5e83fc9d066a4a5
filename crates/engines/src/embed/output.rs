//! The files of an embedding job's result.
//!
//! `embeddings.safetensors` holds one tensor, `embeddings`, of f32 and shape [passages, dimensions]: row i is
//! passage i's unit vector. `passages.jsonl` has one line a passage, in the same order:
//! `{"index":0,"line":1,"id":"…","tokens":12,"truncated":false}` (`id` only where the input has one).
//! `fingerprints.bin` has a [`Fingerprint`](super::fingerprint::Fingerprint) for each passage. All
//! have exactly one right form for the same numbers, down to the byte, so their hashes can be compared.

use super::input::Passage;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};

pub const EMBEDDINGS_FILE: &str = "embeddings.safetensors";
pub const PASSAGES_FILE: &str = "passages.jsonl";
pub const FINGERPRINTS_FILE: &str = "fingerprints.bin";
/// What [`write_jsonl`] makes for a renter; not part of a result.
pub const EMBEDDINGS_JSONL_FILE: &str = "embeddings.jsonl";

/// The bytes before the vectors: the header's length as u64 LE, then the header, padded with spaces so that
/// the vectors start at a multiple of 8.
pub fn header(passages: u64, dimensions: u64) -> Vec<u8> {
    let mut json = format!(
        "{{\"__metadata__\":{{\"format\":\"io-embed/1\"}},\"embeddings\":{{\"dtype\":\"F32\",\
         \"shape\":[{passages},{dimensions}],\"data_offsets\":[0,{}]}}}}",
        passages * dimensions * 4
    );
    while json.len() % 8 != 0 {
        json.push(' ');
    }
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.as_bytes());
    bytes
}

/// The size of `embeddings.safetensors`, in bytes.
pub fn embeddings_size(passages: u64, dimensions: u64) -> u64 {
    header(passages, dimensions).len() as u64 + passages * dimensions * 4
}

/// A line of `passages.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassageLine<'a> {
    pub index: u64,
    pub line: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    /// Tokens that went into the model, special tokens included.
    pub tokens: u32,
    /// Whether the passage had more tokens than the job's `max_tokens`.
    pub truncated: bool,
}

impl<'a> PassageLine<'a> {
    pub fn new(index: u64, passage: &'a Passage<'_>, tokens: u32, truncated: bool) -> Self {
        Self {
            index,
            line: passage.line,
            id: passage.id.as_deref().map(Cow::Borrowed),
            tokens,
            truncated,
        }
    }

    /// With its line end.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *to, self)?;
        to.write_all(b"\n")
    }
}

/// Most bytes of a line of `passages.jsonl`: an id of escapes, six bytes each, and the rest.
pub const MAX_PASSAGE_LINE_BYTES: u64 = 6 * crate::limits::MAX_ID_BYTES as u64 + 256;

/// Reads one line of at most [`MAX_PASSAGE_LINE_BYTES`], line end included; `None` at the end of the file or
/// for a longer line.
pub fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<()>> {
    line.clear();
    let n = from
        .by_ref()
        .take(MAX_PASSAGE_LINE_BYTES)
        .read_until(b'\n', line)?;
    Ok((n > 0 && line.last() == Some(&b'\n')).then_some(()))
}

#[derive(Debug, thiserror::Error)]
pub enum JsonlError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the result's files don't belong together: {0}")]
    Malformed(String),
}

/// Turns a result's two files into JSON lines with everything in them:
/// `{"index":0,"line":1,"id":"…","tokens":12,"truncated":false,"embedding":[…]}`. Each number is the shortest
/// that reads back as the same f32. About 4.5 KB a passage of 384 numbers, three times the result itself, so
/// it is made where it is wanted and never stored or hashed. Returns how many lines it wrote.
pub fn write_jsonl(
    embeddings: impl Read,
    passages: impl Read,
    to: impl Write,
) -> Result<u64, JsonlError> {
    let malformed = |what: String| JsonlError::Malformed(what);
    let mut embeddings = io::BufReader::new(embeddings);
    let mut passages = io::BufReader::new(passages);
    let mut to = io::BufWriter::new(to);

    let mut length = [0; 8];
    embeddings.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > 4096 {
        return Err(malformed(format!("a header of {length} bytes")));
    }
    let mut json = vec![0; length as usize];
    embeddings.read_exact(&mut json)?;
    let parsed: serde_json::Value =
        serde_json::from_slice(&json).map_err(|e| malformed(e.to_string()))?;
    let shape = &parsed["embeddings"]["shape"];
    let (Some(rows), Some(columns)) = (shape[0].as_u64(), shape[1].as_u64()) else {
        return Err(malformed("the header names no shape".into()));
    };
    if rows > crate::limits::MAX_PASSAGES || columns > 8_192 || columns == 0 {
        return Err(malformed(format!("a shape of [{rows}, {columns}]")));
    }
    if [&length.to_le_bytes()[..], &json].concat() != header(rows, columns) {
        return Err(malformed("the header isn't an io-embed/1 header".into()));
    }

    let mut row = vec![0; columns as usize * 4];
    let mut line = Vec::new();
    for index in 0..rows {
        embeddings.read_exact(&mut row)?;
        if read_line(&mut passages, &mut line)?.is_none() {
            return Err(malformed(format!(
                "passages.jsonl ends after {index} lines, and there are {rows} embeddings"
            )));
        }
        let passage: PassageLine<'_> = serde_json::from_slice(&line)
            .map_err(|e| malformed(format!("passages.jsonl, line {}: {e}", index + 1)))?;
        let mut text = serde_json::to_vec(&passage).map_err(io::Error::from)?;
        text.pop();
        to.write_all(&text)?;
        to.write_all(b",\"embedding\":")?;
        let values: Vec<f32> = floats(&row).collect();
        serde_json::to_writer(&mut to, &values).map_err(io::Error::from)?;
        to.write_all(b"}\n")?;
    }
    to.flush()?;
    Ok(rows)
}

/// The f32s in little-endian bytes.
pub fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
}
