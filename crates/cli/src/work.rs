//! What a renter wants done, read and checked on the renter's own machine before anything is sent or paid.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use io_engines::{
    BlobFiles, BlobRef, EmbedSpec, EngineSpec, Engines, FirstOf, InputFormat, JobSpec, ModelRef,
    Pooling, VerificationClass, WasmSpec, embed, limits,
    models::{self, KnownModels},
    spec::SPEC_VERSION,
};

use crate::failure::{Failure, Result, file_failure};

/// Fuel of a WebAssembly job where none is said: about a minute or two of one core.
const DEFAULT_FUEL: u64 = 100_000_000_000;

#[derive(Debug, Clone, Args)]
pub struct EmbedArgs {
    /// A text file: each line that isn't blank is a passage. Or JSON lines {"id": "…", "text": "…"} in a file that ends
    /// with .jsonl.
    pub input: PathBuf,
    /// A known model's name, or a folder with config.json, tokenizer.json and model.safetensors of a BERT.
    #[arg(long, default_value = "all-MiniLM-L6-v2")]
    pub model: String,
    /// Form of the input, when its name doesn't say it.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// How token vectors become one vector. A known model brings its own.
    #[arg(long, value_enum)]
    pub pooling: Option<PoolingArg>,
    /// Tokens that a passage is cut to. A known model brings its own.
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Lines,
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PoolingArg {
    Mean,
    Cls,
}

#[derive(Debug, Clone, Args)]
pub struct WasmArgs {
    /// The WebAssembly module, in its binary form.
    pub module: PathBuf,
    /// What the module reads. Nothing when absent.
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Most fuel, about one for each instruction. Only what is used is paid.
    #[arg(long, default_value_t = DEFAULT_FUEL, value_name = "N")]
    pub fuel: u64,
    /// Most memory, MiB.
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    pub memory: u32,
    /// Longest run on the worker's machine, like 90s or 10m; at most three quarters of --max-run. A run that reaches it ends,
    /// and costs one unit.
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = crate::cli::duration)]
    pub time_limit: std::time::Duration,
    /// Most bytes that the module may write.
    #[arg(long, default_value_t = 16 * 1024 * 1024, value_name = "BYTES")]
    pub max_output: u64,
}

/// A job that is ready to be priced and uploaded.
pub struct Prepared {
    pub spec: JobSpec,
    /// Units of work: what the job will come to, or the most it can.
    pub units: u64,
    pub exact: bool,
    pub verification: VerificationClass,
    /// What oracles and workers don't have yet, and where it is here.
    pub uploads: Vec<(BlobRef, PathBuf)>,
    /// A file for an input that there is none of, kept until the upload is over.
    _empty: Option<EmptyFile>,
}

impl Prepared {
    pub fn engine(&self) -> &'static str {
        self.spec.engine.name()
    }

    /// What one unit is, for people.
    pub fn unit_name(&self) -> &'static str {
        match self.spec.engine {
            EngineSpec::Embed(_) => "passages",
            EngineSpec::Wasm(_) => "million fuel",
        }
    }

    pub fn verification_name(&self) -> &'static str {
        match self.verification {
            VerificationClass::Exact => {
                "exact: oracles that are drawn to audit run it again and compare every bit (all of them, on a device without a long record)"
            }
            VerificationClass::Tolerant => {
                "tolerant: oracles that are drawn to audit run an unforeseeable sample again (all of them, on a device without a long record)"
            }
        }
    }

    /// The number on chain.
    pub fn verification_number(&self) -> u8 {
        use io_client::io_network::state::VerificationClass as OnChain;
        match self.verification {
            VerificationClass::Exact => OnChain::Exact as u8,
            VerificationClass::Tolerant => OnChain::Tolerant as u8,
        }
    }
}

fn blob_of(path: &Path, limit: u64) -> Result<BlobRef> {
    let failed = |error: std::io::Error| file_failure("the input", path, &error);
    let size = std::fs::metadata(path).map_err(failed)?;
    if size.is_dir() {
        return Err(
            Failure::failed(format!("{} is a folder, expected a file", path.display()))
                .hint("Name one file."),
        );
    }
    if !size.is_file() {
        return Err(Failure::failed(format!(
            "{} is no regular file: a pipe or a device can be read once only, and a job's input is hashed, counted and uploaded",
            path.display()
        ))
        .hint("Save it to a file first, and name that."));
    }
    if size.len() > limit {
        return Err(Failure::failed(format!(
            "{} has {} bytes, a job takes {limit}",
            path.display(),
            size.len()
        ))
        .hint("Split it into several jobs."));
    }
    BlobRef::of_file(path).map_err(failed)
}

/// Reads and checks an embedding job's input and model.
pub fn embed(args: &EmbedArgs) -> Result<Prepared> {
    let input = blob_of(&args.input, limits::MAX_INPUT_BYTES)?;
    let jsonl = args
        .input
        .extension()
        .is_some_and(|extension| extension == "jsonl" || extension == "ndjson");
    let format = match args.format {
        Some(Format::Lines) => InputFormat::Lines,
        Some(Format::Jsonl) => InputFormat::Jsonl,
        None if jsonl => InputFormat::Jsonl,
        None => InputFormat::Lines,
    };
    let known = models::find(&args.model);
    let folder = PathBuf::from(&args.model);
    let (model, own): (ModelRef, Option<BlobFiles>) = match known {
        Some(known) => (known.files, None),
        None if folder.is_dir() => {
            let (model, files) = models::from_dir(&folder)?;
            (model, Some(files))
        }
        None => {
            let names: Vec<_> = models::KNOWN_MODELS
                .iter()
                .map(|model| model.name)
                .collect();
            return Err(Failure::not_found(format!(
                "--model is '{}': neither a known model nor a folder",
                args.model
            ))
            .hint(format!(
                "Known: {}. Or name a folder with {}.",
                names.join(", "),
                models::MODEL_FILES.join(", ")
            )));
        }
    };
    let pooling = match args.pooling {
        Some(PoolingArg::Mean) => Pooling::Mean,
        Some(PoolingArg::Cls) => Pooling::Cls,
        None => known.map_or(Pooling::Mean, |known| known.pooling),
    };
    let max_tokens = args
        .max_tokens
        .or(known.map(|known| known.max_tokens))
        .unwrap_or(256);
    let spec = JobSpec {
        version: SPEC_VERSION,
        input,
        engine: EngineSpec::Embed(EmbedSpec {
            model,
            format,
            pooling,
            max_tokens,
        }),
    };
    spec.check()?;

    let units = match &own {
        // A known model is known to be right, and a renter need not have it.
        None => {
            let bytes = std::fs::read(&args.input)
                .map_err(|error| file_failure("the input", &args.input, &error))?;
            if BlobRef::of(&bytes) != input {
                return Err(Failure::failed(format!(
                    "{} changed while it was read",
                    args.input.display()
                ))
                .hint("Run the command again when nothing writes to it."));
            }
            embed::parse(&bytes, format)
                .map_err(|error| {
                    let failure = Failure::from(error);
                    Failure {
                        message: format!("{}: {}", args.input.display(), failure.message),
                        ..failure
                    }
                })?
                .len() as u64
        }
        Some(files) => {
            let mut input_file = BlobFiles::default();
            input_file.insert(input.hash, args.input.clone());
            let engines = Engines::new()?;
            engines
                .get(&spec)
                .quote(&spec, &FirstOf(&[&input_file, files, &KnownModels::new()]))?
                .units
        }
    };
    let mut uploads = vec![(input, args.input.clone())];
    if own.is_some() {
        for (blob, name) in [model.config, model.tokenizer, model.weights]
            .into_iter()
            .zip(models::MODEL_FILES)
        {
            uploads.push((blob, folder.join(name)));
        }
    }
    Ok(Prepared {
        spec,
        units,
        exact: true,
        verification: VerificationClass::Tolerant,
        uploads,
        _empty: None,
    })
}

/// Reads and checks a WebAssembly job's module and input.
pub fn wasm(args: &WasmArgs) -> Result<Prepared> {
    let module = blob_of(&args.module, limits::MAX_MODULE_BYTES)?;
    let (input_path, empty) = match &args.input {
        Some(path) => (path.clone(), None),
        None => {
            let empty = EmptyFile::new()?;
            (empty.0.clone(), Some(empty))
        }
    };
    let input = blob_of(&input_path, limits::MAX_INPUT_BYTES)?;
    let time_limit_s = u32::try_from(args.time_limit.as_secs().max(1)).unwrap_or(u32::MAX);
    let spec = JobSpec {
        version: SPEC_VERSION,
        input,
        engine: EngineSpec::Wasm(WasmSpec {
            module,
            fuel: args.fuel,
            memory_mib: args.memory,
            time_limit_s,
            max_output: args.max_output,
        }),
    };
    spec.check()?;
    let mut files = BlobFiles::default();
    files.insert(module.hash, args.module.clone());
    files.insert(input.hash, input_path.clone());
    let engines = Engines::new()?;
    let engine = engines.get(&spec);
    let quote = engine.quote(&spec, &files)?;
    Ok(Prepared {
        units: quote.units,
        exact: quote.exact,
        verification: engine.class(),
        uploads: vec![(module, args.module.clone()), (input, input_path)],
        spec,
        _empty: empty,
    })
}

/// An empty file that goes away again.
struct EmptyFile(PathBuf);

impl EmptyFile {
    fn new() -> Result<Self> {
        let name = format!(
            "io-empty-{}-{}",
            std::process::id(),
            crate::context::random_u64()?
        );
        let path = std::env::temp_dir().join(name);
        std::fs::File::create_new(&path)
            .map_err(|error| file_failure("an empty input", &path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for EmptyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
