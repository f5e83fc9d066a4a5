//! What the jobs work on: real text, and modules whose fuel is known.

use std::path::{Path, PathBuf};

/// The passages whose embeddings by sentence-transformers are known: `crates/engines/tests/reference`.
const REFERENCE: &str = include_str!("../../../crates/engines/tests/reference/passages.txt");
const REFERENCE_VECTORS: &[u8] =
    include_bytes!("../../../crates/engines/tests/reference/reference.safetensors");

/// Passages of [`passages`].
pub const PASSAGES: usize = 60;

/// The reference's passages, and its first ones again up to [`PASSAGES`].
pub fn passages(folder: &Path) -> PathBuf {
    let lines: Vec<&str> = REFERENCE
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let text: String = lines
        .iter()
        .cycle()
        .take(PASSAGES)
        .map(|line| format!("{line}\n"))
        .collect();
    write(folder, "passages.txt", text.as_bytes())
}

/// A few short passages that no other job has: `seed` makes them different.
pub fn few_passages(folder: &Path, count: usize, seed: u64) -> PathBuf {
    let text: String = (0..count)
        .map(|i| format!("Passage {i} of text {seed} speaks of rivers, bridges and tolls.\n"))
        .collect();
    write(folder, &format!("few-{seed}.txt"), text.as_bytes())
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// Vectors of one safetensors file with the one tensor `embeddings`.
pub fn vectors(bytes: &[u8]) -> Vec<Vec<f32>> {
    let (length, rest) = bytes.split_at_checked(8).expect("a safetensors file");
    let length = u64::from_le_bytes(length.try_into().expect("8 bytes"));
    let (header, data) = rest
        .split_at_checked(usize::try_from(length).expect("a length"))
        .expect("its header");
    let header: serde_json::Value = serde_json::from_slice(header).expect("its header");
    let shape = &header["embeddings"]["shape"];
    let columns = usize::try_from(shape[1].as_u64().expect("a shape")).expect("a size");
    let numbers: Vec<f32> = data
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("4 bytes")))
        .collect();
    let vectors: Vec<Vec<f32>> = numbers.chunks_exact(columns).map(<[f32]>::to_vec).collect();
    assert_eq!(
        Some(vectors.len() as u64),
        shape[0].as_u64(),
        "as many vectors as the header says"
    );
    vectors
}

/// sentence-transformers' own vectors of the reference's passages.
pub fn reference_vectors() -> Vec<Vec<f32>> {
    vectors(REFERENCE_VECTORS)
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| {
        x.iter()
            .zip(y)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Writes a module to `folder`.
fn module(folder: &Path, name: &str, text: &str) -> PathBuf {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    write(folder, name, &bytes)
}

/// A module that copies its input to its output: far less than one unit of work.
pub fn echo(folder: &Path) -> PathBuf {
    module(
        folder,
        "echo.wasm",
        r#"(module
            (import "io" "input_len" (func $len (result i32)))
            (import "io" "input_read" (func $read (param i32 i32 i32) (result i32)))
            (import "io" "output_write" (func $write (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "run") (result i32)
              (call $write (i32.const 0) (call $read (i32.const 0) (i32.const 0) (call $len)))
              (i32.const 0)))"#,
    )
}

/// A module that counts to `rounds` and writes where it got: work that takes time and says how far it is.
pub fn count(folder: &Path, rounds: u32) -> PathBuf {
    module(
        folder,
        &format!("count-{rounds}.wasm"),
        &format!(
            r#"(module
            (import "io" "output_write" (func $write (param i32 i32)))
            (import "io" "progress" (func $progress (param i32)))
            (memory (export "memory") 1)
            (func (export "run") (result i32) (local $i i32) (local $x i32)
              (loop $again
                (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (if (i32.eqz (i32.and (local.get $i) (i32.const 0xfffff)))
                  (then (call $progress (i32.div_u (i32.mul (i32.shr_u (local.get $i) (i32.const 20)) (i32.const 1000)) (i32.const {steps})))))
                (br_if $again (i32.lt_u (local.get $i) (i32.const {rounds}))))
              (i32.store (i32.const 0) (local.get $x))
              (call $write (i32.const 0) (i32.const 4))
              (i32.const 0)))"#,
            steps = (rounds >> 20).max(1),
        ),
    )
}

/// What [`count`] writes: the generator's state after so many rounds.
pub fn counted(rounds: u32) -> u32 {
    (0..rounds).fold(0_u32, |x, _| {
        x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
    })
}

/// A module that never ends: it runs out of fuel, in the same way everywhere.
pub fn endless(folder: &Path) -> PathBuf {
    module(
        folder,
        "endless.wasm",
        r#"(module
            (memory (export "memory") 1)
            (func (export "run") (result i32) (loop $again (br $again)) (i32.const 0)))"#,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_are_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(passages(folder.path())).unwrap();
        assert_eq!(text.lines().count(), PASSAGES);
        assert_eq!(reference_vectors().len(), REFERENCE.lines().count());
        for path in [
            echo(folder.path()),
            count(folder.path(), 10),
            endless(folder.path()),
        ] {
            assert_eq!(&std::fs::read(path).unwrap()[..4], b"\0asm");
        }
        assert_eq!(counted(1), 1_013_904_223);
    }
}
