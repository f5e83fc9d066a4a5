//! Key files in the Solana CLI's format: a JSON array of 64 bytes, secret then public.

use std::{
    fmt,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::Path,
    sync::Arc,
};

use anchor_lang::prelude::Pubkey;
use solana_keypair::Keypair;
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Such a file has about 230 bytes.
pub const MAX_KEY_FILE_BYTES: u64 = 4_096;
/// Permission bits that let others than the owner read or change a file.
const OTHERS: u32 = 0o077;

/// Anything that signs and can be shared between tasks.
pub type SharedSigner = Arc<dyn Signer + Send + Sync>;

/// A key in memory, wiped when the last copy is dropped. Never shows its secret half, in debug output either.
#[derive(Clone)]
pub struct Wallet(Arc<Keypair>);

impl Wallet {
    /// A new random key.
    pub fn generate() -> Self {
        Self(Arc::new(Keypair::new()))
    }

    pub fn from_keypair(keypair: Keypair) -> Self {
        Self(Arc::new(keypair))
    }

    /// From 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Arc::new(Keypair::new_from_array(*seed)))
    }

    /// Reads a key file. Warns when others than its owner can read it.
    pub fn load(path: &Path) -> Result<Self> {
        let wrong = |reason: String| Error::Key {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(|error| {
            wrong(format!(
                "{error}. Create a key with `io keygen FILE`, or pass another file."
            ))
        })?;
        let size = file
            .metadata()
            .map_err(|error| wrong(error.to_string()))?
            .len();
        if size > MAX_KEY_FILE_BYTES {
            return Err(wrong(format!(
                "{size} bytes, a key file has at most {MAX_KEY_FILE_BYTES}: is it another file?"
            )));
        }
        if let Some(mode) = exposed(&file) {
            tracing::warn!(
                path = %path.display(),
                "others than the owner can use this key file (mode {mode:03o}): run chmod 600 on it"
            );
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_BYTES as usize));
        // A file may grow between the look at its size and this.
        file.take(MAX_KEY_FILE_BYTES)
            .read_to_end(&mut text)
            .map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Writes a new key file that only its owner can read; refuses to replace one.
    pub fn save(&self, path: &Path) -> Result<()> {
        let wrong = |reason: String| Error::Key {
            path: path.to_owned(),
            reason,
        };
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(|error| wrong(error.to_string()))?;
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options
            .open(path)
            .map_err(|error| wrong(format!("{error}; an existing key is never replaced")))?;
        let bytes = Zeroizing::new(self.0.to_bytes());
        let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE_BYTES as usize));
        for (i, byte) in bytes.iter().enumerate() {
            text.push(if i == 0 { '[' } else { ',' });
            text.push_str(&byte.to_string());
        }
        text.push(']');
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| wrong(error.to_string()))
    }

    /// Never quotes what it read: it may be a secret with a typing error.
    fn parse(text: &[u8]) -> std::result::Result<Self, String> {
        const EXPECTED: &str = "expected a JSON array of 64 numbers, as solana-keygen writes it";
        let mut bytes = Zeroizing::new([0_u8; 64]);
        let inner = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.trim().strip_prefix('[')?.strip_suffix(']'))
            .ok_or(EXPECTED)?;
        let mut count = 0;
        for number in inner.split(',') {
            let slot = bytes.get_mut(count).ok_or(EXPECTED)?;
            *slot = number.trim().parse().map_err(|_| EXPECTED)?;
            count += 1;
        }
        if count != bytes.len() {
            return Err(format!("{count} numbers, {EXPECTED}"));
        }
        Keypair::try_from(bytes.as_slice())
            .map(Self::from_keypair)
            .map_err(|_| {
                "its public half does not belong to its secret half: the file is damaged".to_owned()
            })
    }

    pub fn address(&self) -> Pubkey {
        self.0.pubkey()
    }

    pub fn signer(&self) -> SharedSigner {
        self.0.clone()
    }

    /// The 32 secret bytes, for libraries that sign with their own types. Keep them in a [`Zeroizing`].
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.0.secret_bytes())
    }

    /// Signs bytes that are not a transaction: a statement, with its domain. Never 32 bytes, which a draw makes its nonce of
    /// ([`crate::vrf`]).
    ///
    /// # Panics
    /// With 32 bytes: two uses of one nonce give the key away.
    pub fn sign(&self, message: &[u8]) -> Signature {
        assert_ne!(message.len(), 32, "a statement has a domain and fields");
        self.0.sign_message(message)
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address())
    }
}

impl Signer for Wallet {
    fn try_pubkey(&self) -> std::result::Result<Pubkey, SignerError> {
        self.0.try_pubkey()
    }

    fn try_sign_message(&self, message: &[u8]) -> std::result::Result<Signature, SignerError> {
        self.0.try_sign_message(message)
    }

    fn is_interactive(&self) -> bool {
        false
    }
}

/// The permission bits of a key file that others than its owner can use; `None` when it is private, or the system has no
/// such bits.
pub fn exposed_mode(path: &Path) -> Option<u32> {
    File::open(path).ok().as_ref().and_then(exposed)
}

#[cfg(unix)]
fn exposed(file: &File) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().ok()?.permissions().mode() & 0o777;
    (mode & OTHERS != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposed(_: &File) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/id.json");
        let wallet = Wallet::generate();
        wallet.save(&path).unwrap();
        assert_eq!(Wallet::load(&path).unwrap().address(), wallet.address());
        assert_eq!(exposed_mode(&path), None);
        // The Solana CLI's own reader agrees.
        assert_eq!(
            solana_keypair::read_keypair_file(&path).unwrap().pubkey(),
            wallet.address()
        );
        assert!(
            wallet
                .save(&path)
                .unwrap_err()
                .to_string()
                .contains("never replaced")
        );
    }

    #[cfg(unix)]
    #[test]
    fn an_exposed_file_is_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id.json");
        Wallet::generate().save(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(exposed_mode(&path), Some(0o644));
        assert!(
            Wallet::load(&path).is_ok(),
            "it is warned about, not refused"
        );
    }

    #[test]
    fn bad_files_are_refused_without_quoting_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id.json");
        let mut swapped = Keypair::new().to_bytes();
        swapped[40] ^= 1;
        let cases = [
            String::new(),
            "correct horse battery staple".to_owned(),
            "[1,2,3]".to_owned(),
            format!("[{}]", vec!["256"; 64].join(",")),
            format!("[{}]", vec!["7"; 65].join(",")),
            format!("{swapped:?}"),
            "x".repeat(10_000),
        ];
        for text in cases {
            fs::write(&path, &text).unwrap();
            let error = Wallet::load(&path).unwrap_err().to_string();
            assert!(error.contains("id.json"), "{error}");
            assert!(
                !error.contains("horse") && !error.contains("256,") && !error.contains("7,7"),
                "{error}"
            );
        }
        assert!(
            Wallet::load(&folder.path().join("none.json"))
                .unwrap_err()
                .to_string()
                .contains("io keygen")
        );
    }

    #[test]
    fn debug_output_shows_the_address_only() {
        let wallet = Wallet::from_seed(&[7; 32]);
        assert_eq!(
            format!("{wallet:?}"),
            format!("Wallet({})", wallet.address())
        );
    }
}
