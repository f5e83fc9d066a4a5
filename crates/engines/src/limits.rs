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
/// A claim that a run took longer than its time limit holds when an oracle doesn't come to its end in this fraction of the
/// limit; a claim of anything else is checked for [`VERIFY_PATIENCE`] times the limit. Machines in between may differ.
pub const TIME_LIMIT_DOUBT: u32 = 8;
/// An oracle waits this many times the renter's time limit before it gives up on a slower machine.
pub const VERIFY_PATIENCE: u32 = 4;
/// What a module may write.
pub const MAX_WASM_OUTPUT_BYTES: u64 = 256 * 1024 * 1024;
/// A module's call stack where it runs. A frame's size depends on the processor, so an oracle that checks a run that overflowed
/// gives it [`PROMISED_WASM_STACK_BYTES`], and one that checks any other run [`MAX_WASM_STACK_BYTES`]: processors whose frames
/// differ by less than four times never contradict an honest run.
pub const WASM_STACK_BYTES: usize = 1024 * 1024;
/// The call stack that every module can count on.
pub const PROMISED_WASM_STACK_BYTES: usize = WASM_STACK_BYTES / 4;
/// The call stack that no module has more of.
pub const MAX_WASM_STACK_BYTES: usize = WASM_STACK_BYTES * 4;
/// Functions of a module, imports not counted.
pub const MAX_FUNCTIONS: u32 = 50_000;
/// A function's body, its locals' declarations included.
pub const MAX_FUNCTION_BYTES: usize = 256 * 1024;
/// Locals of a function, its parameters not counted.
pub const MAX_LOCALS: u64 = 4_096;
/// Parameters and results of a function or a block, together.
pub const MAX_SIGNATURE: usize = 64;
/// Jumps of a function (each entry of a jump table is one) times the values that may have to go along: its locals, and the
/// longest signature of the module. What compiling takes grows with it.
pub const MAX_FUNCTION_FLOW: u64 = 1 << 20;
/// The same for all of a module's functions together.
pub const MAX_MODULE_FLOW: u64 = 16 << 20;
/// Entries of each other section of a module: types, imports, exports, globals, element and data segments.
pub const MAX_SECTION_ENTRIES: u32 = 100_000;
/// Longest compiling of a module, seconds: nobody waits longer, however slow the machine.
pub const MAX_COMPILE_SECONDS: u64 = 60;
/// Modules that one engine compiles at once.
pub const MAX_COMPILES: usize = 2;
/// Elements of a module's tables, together.
pub const MAX_TABLE_ELEMENTS: usize = 65_536;
/// Threads an engine uses at most, whatever the machine has.
pub const MAX_THREADS: usize = 64;
/// Steps that a rejection names, and that others are asked to run again.
pub const MAX_WRONG_STEPS: usize = 64;
