//! Every PDA seed of the program. Fixed-length parts only, so that no two lists of seeds can collide.

pub const NETWORK: &[u8] = b"network";
pub const ORACLES: &[u8] = b"oracles";
pub const PAYMENT: &[u8] = b"payment";
pub const TREASURY: &[u8] = b"treasury";
pub const CLASS: &[u8] = b"class";
pub const PROVIDER: &[u8] = b"provider";
pub const STAKE: &[u8] = b"stake";
pub const DEVICE: &[u8] = b"device";
pub const JOB: &[u8] = b"job";
pub const VAULT: &[u8] = b"vault";
pub const SLASH: &[u8] = b"slash";
pub const ORACLE: &[u8] = b"oracle";
pub const CO_STAKE: &[u8] = b"co-stake";
pub const CO_VAULT: &[u8] = b"co-vault";
pub const TREASURY_MAIN: &[u8] = b"treasury-main";
pub const BUY_BACK: &[u8] = b"buy-back";
pub const PROPOSAL: &[u8] = b"proposal";
pub const EMISSION: &[u8] = b"emission";
pub const VESTING: &[u8] = b"vesting";
pub const EVIDENCE: &[u8] = b"evidence";
pub const DEPOSIT: &[u8] = b"deposit";
