//! Signed requests: [`Auth`] in the `x-io-auth` header, and in the messages of the link.
//!
//! The signature covers deployment, recipient, subject, action, body, time and nonce, so that a request is worth nothing to
//! another oracle, for another path or body, later, or twice.

use base64::{Engine, prelude::BASE64_STANDARD};
use io_protocol::messages::{Bytes32, Deployment, RequestStatement};
use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{text, types::Auth};

/// Header that carries an [`Auth`] as base64 of its JSON.
pub const HEADER: &str = "x-io-auth";
/// Longest header value, characters.
pub const MAX_HEADER_CHARS: usize = 1_024;
/// A request is accepted this long before and after the recipient's own time, milliseconds.
pub const MAX_SKEW_MS: u64 = 60_000;
/// The subject of requests that are about nothing in particular.
pub const NO_SUBJECT: Bytes32 = [0; 32];
/// Action of `Hello`.
pub const LINK: &str = "link";
/// Action of a heartbeat.
pub const HEARTBEAT: &str = "heartbeat";

/// Makes an Ed25519 signature over a message.
type Sign = dyn Fn(&[u8]) -> [u8; 64] + Send + Sync;

/// A key that signs requests.
#[derive(Clone)]
pub struct RequestKey {
    key: Bytes32,
    sign: Arc<Sign>,
}

impl RequestKey {
    /// `sign` makes an Ed25519 signature by `key`.
    pub fn new(key: Bytes32, sign: impl Fn(&[u8]) -> [u8; 64] + Send + Sync + 'static) -> Self {
        Self {
            key,
            sign: Arc::new(sign),
        }
    }

    pub fn key(&self) -> Bytes32 {
        self.key
    }

    /// Signs a request that is sent now: `at_ms` by the recipient's clock, where it is known.
    pub fn sign(&self, about: &About, body: &[u8], at_ms: u64) -> Auth {
        let nonce = nonce();
        let statement = about.statement(body, at_ms, nonce);
        let signature = text::signature(&(self.sign)(&statement.to_bytes()));
        Auth {
            key: text::key(&self.key),
            at_ms,
            nonce,
            signature,
        }
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestKey({})", text::key(&self.key))
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    pub deployment: Deployment,
    /// Key of the oracle that is asked.
    pub recipient: Bytes32,
    /// A job's or a device's account, or [`NO_SUBJECT`].
    pub subject: Bytes32,
    /// From [`http_action`] or [`link_action`].
    pub action: Bytes32,
}

impl About {
    fn statement(&self, body: &[u8], at_ms: u64, nonce: u64) -> RequestStatement {
        RequestStatement {
            deployment: self.deployment,
            recipient: self.recipient,
            subject: self.subject,
            action: self.action,
            body: *blake3::hash(body).as_bytes(),
            at_ms,
            nonce,
        }
    }
}

/// Action of an HTTP request: BLAKE3 of `METHOD path?query`, with the query as it is sent.
pub fn http_action(method: &str, path_and_query: &str) -> Bytes32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(method.as_bytes());
    hasher.update(b" ");
    hasher.update(path_and_query.as_bytes());
    *hasher.finalize().as_bytes()
}

/// Action of a message on the link: BLAKE3 of [`LINK`] or [`HEARTBEAT`].
pub fn link_action(kind: &str) -> Bytes32 {
    *blake3::hash(kind.as_bytes()).as_bytes()
}

/// Why an [`Auth`] is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("the {HEADER} header is missing: sign the request")]
    Missing,
    #[error(
        "the {HEADER} header is not base64 of an Auth as JSON, in at most {MAX_HEADER_CHARS} characters"
    )]
    Malformed,
    #[error("'{0}' is not a key in base58")]
    BadKey(String),
    #[error("the signature is not 64 bytes in base58")]
    BadSignature,
    #[error(
        "signed at {at_ms} ms, and it is {now_ms} ms here; at most {MAX_SKEW_MS} ms apart are accepted: check the clock"
    )]
    Skewed { at_ms: u64, now_ms: u64 },
    #[error(
        "the signature is not by {key} over this request: check program, cluster, recipient, subject, method, path, query and body"
    )]
    Wrong { key: String },
}

/// Checks a request's time and signature and returns the key that signed. The caller still has to refuse a nonce that it has
/// seen, and to decide what the key may do.
pub fn verify(auth: &Auth, about: &About, body: &[u8], now_ms: u64) -> Result<Bytes32, AuthError> {
    let key = text::parse_key(&auth.key).ok_or_else(|| AuthError::BadKey(shown(&auth.key)))?;
    let signature = text::parse_signature(&auth.signature).ok_or(AuthError::BadSignature)?;
    if auth.at_ms.abs_diff(now_ms) > MAX_SKEW_MS {
        return Err(AuthError::Skewed {
            at_ms: auth.at_ms,
            now_ms,
        });
    }
    let statement = about.statement(body, auth.at_ms, auth.nonce);
    if !verify_signature(&key, &statement.to_bytes(), &signature) {
        return Err(AuthError::Wrong {
            key: shown(&auth.key),
        });
    }
    Ok(key)
}

/// Whether `signature` is `key`'s strict Ed25519 signature over `message`.
pub fn verify_signature(key: &Bytes32, message: &[u8], signature: &[u8; 64]) -> bool {
    solana_signature::Signature::from(*signature).verify(key, message)
}

/// The header's value.
pub fn to_header(auth: &Auth) -> String {
    // An `Auth` is strings and integers: it always serialises.
    BASE64_STANDARD.encode(serde_json::to_vec(auth).unwrap_or_default())
}

/// Reads the header's value.
pub fn from_header(value: &str) -> Result<Auth, AuthError> {
    if value.len() > MAX_HEADER_CHARS {
        return Err(AuthError::Malformed);
    }
    let json = BASE64_STANDARD
        .decode(value)
        .map_err(|_| AuthError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| AuthError::Malformed)
}

/// This machine's time, Unix milliseconds.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

/// Text of others in errors: short, one line.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Unlikely to repeat while a request's time is acceptable; need not be secret.
fn nonce() -> u64 {
    // Each state is seeded from the system's randomness.
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use solana_keypair::Keypair;
    use solana_signer::Signer;

    use super::*;

    fn request_key() -> RequestKey {
        let keypair = Keypair::new();
        RequestKey::new(keypair.pubkey().to_bytes(), move |message| {
            keypair.sign_message(message).into()
        })
    }

    fn about() -> About {
        About {
            deployment: Deployment {
                program: [1; 32],
                cluster: [2; 32],
            },
            recipient: [3; 32],
            subject: [4; 32],
            action: http_action("PUT", "/v1/blobs/00?offset=0&size=3"),
        }
    }

    #[test]
    fn a_request_is_worth_nothing_for_anything_else() {
        let (key, about) = (request_key(), about());
        let auth = from_header(&to_header(&key.sign(&about, b"body", 1_000_000))).unwrap();
        assert_eq!(verify(&auth, &about, b"body", 1_000_500), Ok(key.key()));

        let others = [
            About {
                deployment: Deployment {
                    program: [9; 32],
                    ..about.deployment
                },
                ..about
            },
            About {
                deployment: Deployment {
                    cluster: [9; 32],
                    ..about.deployment
                },
                ..about
            },
            About {
                recipient: [9; 32],
                ..about
            },
            About {
                subject: [9; 32],
                ..about
            },
            About {
                action: http_action("PUT", "/v1/blobs/00?offset=1&size=3"),
                ..about
            },
            About {
                action: http_action("GET", "/v1/blobs/00?offset=0&size=3"),
                ..about
            },
        ];
        for other in others {
            assert!(
                matches!(
                    verify(&auth, &other, b"body", 1_000_500),
                    Err(AuthError::Wrong { .. })
                ),
                "{other:?}"
            );
        }
        assert!(matches!(
            verify(&auth, &about, b"bodx", 1_000_500),
            Err(AuthError::Wrong { .. })
        ));
        let forged = [
            Auth {
                nonce: auth.nonce ^ 1,
                ..auth.clone()
            },
            Auth {
                at_ms: auth.at_ms + 1,
                ..auth.clone()
            },
            Auth {
                key: text::key(&request_key().key()),
                ..auth.clone()
            },
        ];
        for auth in forged {
            assert!(
                matches!(
                    verify(&auth, &about, b"body", 1_000_500),
                    Err(AuthError::Wrong { .. })
                ),
                "{auth:?}"
            );
        }
    }

    #[test]
    fn a_request_is_good_for_a_minute_either_way() {
        let (key, about) = (request_key(), about());
        let auth = key.sign(&about, b"", 1_000_000);
        for now in [1_000_000 - MAX_SKEW_MS, 1_000_000 + MAX_SKEW_MS] {
            assert_eq!(verify(&auth, &about, b"", now), Ok(key.key()));
        }
        for now in [
            1_000_000 - MAX_SKEW_MS - 1,
            1_000_000 + MAX_SKEW_MS + 1,
            0,
            u64::MAX,
        ] {
            assert!(matches!(
                verify(&auth, &about, b"", now),
                Err(AuthError::Skewed { .. })
            ));
        }
    }

    #[test]
    fn nonces_differ() {
        let (key, about) = (request_key(), about());
        assert_ne!(
            key.sign(&about, b"", 0).nonce,
            key.sign(&about, b"", 0).nonce
        );
    }

    proptest! {
        #[test]
        fn garbage_is_refused_not_a_panic(header in ".{0,200}", key in ".{0,60}", signature in ".{0,100}", at_ms: u64) {
            let _ = from_header(&header);
            let auth = Auth { key, at_ms, nonce: 0, signature };
            prop_assert!(verify(&auth, &about(), b"", at_ms).is_err());
        }
    }
}
