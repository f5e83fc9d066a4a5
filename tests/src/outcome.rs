//! What a transaction came to, and what a test expects of it.

use anchor_lang::error::ErrorCode;
use io_network::errors::IoError;
use solana_transaction_error::TransactionError;

use crate::events::Event;

/// A transaction that went through.
#[derive(Debug)]
pub struct Done {
    /// Compute units of the whole transaction.
    pub units: u64,
    pub events: Vec<Event>,
    pub logs: Vec<String>,
}

/// A transaction that was refused.
#[derive(Debug)]
pub struct Failed {
    pub error: TransactionError,
    /// Index of the instruction that the test is about.
    pub index: u8,
    pub logs: Vec<String>,
}

pub type Outcome = Result<Done, Box<Failed>>;

/// A reason for refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A custom code: the program's own, Anchor's, or that of a program which was called.
    Code(u32),
    /// An error of the runtime in the instruction that the test is about, by the name it is printed with.
    Runtime(&'static str),
    /// An error of the whole transaction or of another instruction, by the name it is printed with.
    Transaction(&'static str),
}

/// The system program's and the token program's "this account exists already".
pub const IN_USE: Refusal = Refusal::Code(0);
/// The token program's "insufficient funds", and the system program's "result with negative lamports".
pub const INSUFFICIENT: Refusal = Refusal::Code(1);
/// The token program's "owner does not match".
pub const NOT_TOKEN_OWNER: Refusal = Refusal::Code(4);
/// The token program's "account is frozen".
pub const FROZEN: Refusal = Refusal::Code(17);
/// A program asked for a signature that the transaction does not carry.
pub const MISSING_SIGNATURE: Refusal = Refusal::Runtime("MissingRequiredSignature");
/// A program passed on a right that it was not given.
pub const ESCALATION: Refusal = Refusal::Runtime("PrivilegeEscalation");

impl From<IoError> for Refusal {
    fn from(e: IoError) -> Self {
        Refusal::Code(e.into())
    }
}

impl From<ErrorCode> for Refusal {
    fn from(e: ErrorCode) -> Self {
        Refusal::Code(e.into())
    }
}

impl Failed {
    /// The refusal as it would have to be written in a test.
    pub fn refusal(&self) -> Result<u32, String> {
        match &self.error {
            TransactionError::InstructionError(at, inner) if *at == self.index => {
                let text = format!("{inner:?}");
                match text
                    .strip_prefix("Custom(")
                    .and_then(|t| t.strip_suffix(')')?.parse().ok())
                {
                    Some(code) => Ok(code),
                    None => Err(text),
                }
            }
            other => Err(format!("{other:?}")),
        }
    }

    /// The refusal matches: same instruction, same error, exactly.
    pub fn is(&self, expected: Refusal) -> bool {
        let inside =
            matches!(&self.error, TransactionError::InstructionError(at, _) if *at == self.index);
        match (self.refusal(), expected) {
            (Ok(code), Refusal::Code(want)) => code == want,
            (Err(name), Refusal::Runtime(want)) => inside && name == want,
            (Err(name), Refusal::Transaction(want)) => !inside && name == want,
            _ => false,
        }
    }
}
