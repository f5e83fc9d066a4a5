//! Every limit of this crate, by name. Bytes unless the name says otherwise.

/// A job's specification in its canonical form.
pub const MAX_SPEC_BYTES: u64 = 16 * 1024;
/// A result's manifest in its canonical form.
pub const MAX_MANIFEST_BYTES: u64 = 16 * 1024;
/// Files that a manifest lists.
pub const MAX_OUTPUT_FILES: usize = 8;
/// A job's input, for every engine.
pub const MAX_INPUT_BYTES: u64 = 256 * 1024 * 1024;

/// Passages of one embedding job.
pub const MAX_PASSAGES: u64 = 1_000_000;
/// One line of an embedding job's input: a passage with its id and JSON escapes.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// A passage's id in JSON lines.
pub const MAX_ID_BYTES: usize = 256;
/// A model's config.json.
pub const MAX_MODEL_CONFIG_BYTES: u64 = 64 * 1024;
/// A model's tokenizer.json.
pub const MAX_TOKENIZER_BYTES: u64 = 32 * 1024 * 1024;
/// A model's weights.
pub const MAX_WEIGHTS_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Tokens of a passage that a model reads, its special tokens included; a spec may ask for fewer.
pub const MAX_TOKENS: u32 = 512;

/// A WebAssembly module, in its binary form.
pub const MAX_MODULE_BYTES: u64 = 16 * 1024 * 1024;
/// Fuel of one job: about two weeks of one core. Below 2^53, so JavaScript reads it exactly.
pub const MAX_FUEL: u64 = 1_000_000_000_000_000;
/// A module's linear memory, in MiB.
pub const MAX_MEMORY_MIB: u32 = 4_096;
/// A module's longest run on any machine, in seconds: a day.
pub const MAX_TIME_LIMIT_S: u32 = 86_400;
/// What a module may write.
pub const MAX_WASM_OUTPUT_BYTES: u64 = 256 * 1024 * 1024;
/// A module's call stack.
pub const MAX_WASM_STACK_BYTES: usize = 1024 * 1024;
/// Elements of a module's tables, together.
pub const MAX_TABLE_ELEMENTS: usize = 65_536;
/// Threads an engine uses at most, whatever the machine has.
pub const MAX_THREADS: usize = 64;
