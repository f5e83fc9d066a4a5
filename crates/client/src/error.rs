//! What can go wrong, in words that say what to do next. No text here ever holds a key, or an RPC address's path (many
//! providers put a token there).

use std::{fmt, path::PathBuf};

use anchor_lang::prelude::Pubkey;
use io_network::errors::IoError;
use solana_signature::Signature;
use solana_transaction_error::TransactionError;

use crate::tokens::{TOKEN_2022_PROGRAM, TOKEN_PROGRAM};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The RPC node did not answer, or not with what was asked for. Already retried when `transient`.
    #[error("{call} at {host}: {message}")]
    Rpc {
        call: &'static str,
        host: String,
        message: String,
        transient: bool,
    },
    #[error(
        "'{url}' is not an address of an RPC node: {reason}. Expected something like {expected}."
    )]
    BadUrl {
        url: String,
        reason: String,
        expected: &'static str,
    },
    /// A program refused. Nothing was changed; when `signature` is there, the fee was paid.
    #[error(transparent)]
    Program(#[from] Box<ProgramError>),
    /// The transaction failed outside any program. Nothing was changed.
    #[error("the transaction was refused: {}.{}", error.to_string().trim_end_matches('.'), hint(error))]
    Transaction {
        error: TransactionError,
        logs: Vec<String>,
        signature: Option<Signature>,
    },
    #[error(
        "the transaction has {bytes} bytes, the network takes at most {max}: send fewer instructions or signatures at once"
    )]
    TooLarge { bytes: usize, max: usize },
    #[error("the transaction needs the signature of {0}, which was not given")]
    MissingSigner(Pubkey),
    #[error("signing with {address} failed: {reason}")]
    Signing { address: Pubkey, reason: String },
    #[error("an intent has 1 to {max} bytes, this one has {bytes}")]
    BadIntent { bytes: usize, max: usize },
    /// Provably not on the chain and never will be.
    #[error(
        "{attempts} transactions expired before any block took them (the last was {signature}{}). Nothing was changed. \
         Try again, with a higher priority fee if the network is busy.",
        because(last_refusal)
    )]
    Expired {
        attempts: u32,
        signature: Signature,
        last_refusal: Option<String>,
    },
    /// Sent, and not known whether it landed. The journal has it: the same intent, or `resume`, finds out.
    #[error(
        "whether {signature} landed could not be told within {seconds} s{}. It stays in the journal: repeat the same \
         command, or start again, once the RPC node answers.",
        because(last_refusal)
    )]
    Unresolved {
        signature: Signature,
        seconds: u64,
        last_refusal: Option<String>,
    },
    #[error("no account at {address}, expected {expected}")]
    NoAccount {
        address: Pubkey,
        expected: &'static str,
    },
    #[error("the account at {address} is not {expected}: {reason}")]
    BadAccount {
        address: Pubkey,
        expected: &'static str,
        reason: String,
    },
    #[error("{got} {what} asked for at once, the limit is {max}")]
    TooMany {
        what: &'static str,
        got: usize,
        max: usize,
    },
    #[error("the journal {path}: {reason}")]
    Journal { path: PathBuf, reason: String },
    #[error("the key file {path}: {reason}")]
    Key { path: PathBuf, reason: String },
    #[error("the subscription to {host} ended: {reason}")]
    Subscription { host: String, reason: String },
    #[error("{0}")]
    Input(String),
}

impl Error {
    /// Worth trying again, later, without changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Error::Rpc {
                transient: true,
                ..
            } | Error::Expired { .. }
                | Error::Unresolved { .. }
                | Error::Subscription { .. }
        )
    }

    /// This program's own error, when it was that.
    pub fn io_error(&self) -> Option<IoError> {
        match self {
            Error::Program(error) => error.io_error,
            _ => None,
        }
    }

    /// Lines the programs logged, when the transaction got as far as running.
    pub fn logs(&self) -> &[String] {
        match self {
            Error::Program(error) => &error.logs,
            Error::Transaction { logs, .. } => logs,
            _ => &[],
        }
    }
}

fn because(reason: &Option<String>) -> String {
    reason
        .as_ref()
        .map(|reason| format!("; the node's last answer was: {reason}"))
        .unwrap_or_default()
}

fn hint(error: &TransactionError) -> &'static str {
    match error {
        TransactionError::AccountNotFound => {
            " The fee payer has no SOL: send it some (on a local chain: an airdrop)."
        }
        TransactionError::InsufficientFundsForFee => {
            " The fee payer's SOL does not cover the fee: send it some."
        }
        TransactionError::InsufficientFundsForRent { .. } => {
            " An account would fall below the rent minimum: send the payer more SOL."
        }
        _ => "",
    }
}

/// A program's refusal.
#[derive(Debug, Clone)]
pub struct ProgramError {
    /// The program that refused: the innermost one, which the outer ones only pass on.
    pub program: Pubkey,
    /// Its error number; `None` for one of the runtime's own errors.
    pub code: Option<u32>,
    /// The number's name, where the program is known.
    pub name: Option<String>,
    pub message: String,
    /// Set when `program` is this network's.
    pub io_error: Option<IoError>,
    /// Which of the transaction's instructions, counted from 0, compute budget instructions included.
    pub instruction: usize,
    pub logs: Vec<String>,
    /// Set when the refusal happened on the chain, not in a simulation.
    pub signature: Option<Signature>,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("refused");
        match self.code {
            Some(code) => write!(
                f,
                "{} ({name}, error {code} of program {})",
                self.message, self.program
            ),
            None => write!(f, "{} (program {})", self.message, self.program),
        }
    }
}

impl std::error::Error for ProgramError {}

/// Builds the error for a failed transaction: finds the program that refused and what its number means.
///
/// `programs` are the transaction's instructions' programs in order.
pub(crate) fn transaction_failed(
    error: TransactionError,
    programs: &[Pubkey],
    logs: Vec<String>,
    signature: Option<Signature>,
) -> Error {
    let TransactionError::InstructionError(instruction, inner) = error else {
        return Error::Transaction {
            error,
            logs,
            signature,
        };
    };
    let instruction = usize::from(instruction);
    let outer = programs.get(instruction).copied().unwrap_or_default();
    let program = refusing_program(&logs).unwrap_or(outer);
    let code = match &inner {
        solana_instruction::error::InstructionError::Custom(code) => Some(*code),
        _ => None,
    };
    let io_error = code
        .filter(|_| program == io_network::ID)
        .and_then(io_error_from_code);
    let (name, message) = match code {
        Some(code) => describe(&program, code, io_error, &logs),
        None => (None, inner.to_string()),
    };
    Error::Program(Box::new(ProgramError {
        program,
        code,
        name,
        message,
        io_error,
        instruction,
        logs,
        signature,
    }))
}

/// The program of the first "failed" line: a refusal travels outwards from there.
fn refusing_program(logs: &[String]) -> Option<Pubkey> {
    logs.iter().find_map(|line| {
        let (program, rest) = line.strip_prefix("Program ")?.split_once(' ')?;
        rest.starts_with("failed: ").then(|| program.parse().ok())?
    })
}

fn describe(
    program: &Pubkey,
    code: u32,
    io_error: Option<IoError>,
    logs: &[String],
) -> (Option<String>, String) {
    if let Some(error) = io_error {
        return (Some(error.name()), error.to_string());
    }
    // Anchor says its own checks' names and messages in a log line, where logs are on.
    if let Some(line) = logs
        .iter()
        .rev()
        .find(|line| line.contains(&format!("Error Number: {code}.")))
    {
        let between = |from: &str, to: &str| {
            let start = line.find(from)? + from.len();
            let end = line[start..]
                .find(to)
                .map_or(line.len(), |length| start + length);
            Some(line[start..end].trim().to_owned())
        };
        if let (Some(name), Some(message)) = (
            between("Error Code: ", ". "),
            between("Error Message: ", ".\n"),
        ) {
            return (Some(name), message.trim_end_matches('.').to_owned());
        }
    }
    let known = if *program == TOKEN_PROGRAM || *program == TOKEN_2022_PROGRAM {
        lookup(TOKEN_ERRORS, code)
    } else if *program == anchor_lang::solana_program::system_program::ID {
        lookup(SYSTEM_ERRORS, code)
    } else {
        None
    }
    // Every Anchor program's own checks share these numbers.
    .or_else(|| lookup(ANCHOR_ERRORS, code));
    match known {
        Some((name, message)) => (Some(name.to_owned()), message.to_owned()),
        None => (None, format!("program error {code}")),
    }
}

type Known = (u32, &'static str, &'static str);

fn lookup(table: &'static [Known], code: u32) -> Option<(&'static str, &'static str)> {
    table
        .iter()
        .find(|(number, ..)| *number == code)
        .map(|(_, name, message)| (*name, *message))
}

/// SPL Token's, from spl-token-interface's `TokenError`.
const TOKEN_ERRORS: &[Known] = &[
    (
        0,
        "NotRentExempt",
        "the token account holds too little SOL for rent",
    ),
    (
        1,
        "InsufficientFunds",
        "the token account holds fewer tokens than this needs",
    ),
    (2, "InvalidMint", "the mint is not valid"),
    (3, "MintMismatch", "the token account is of another mint"),
    (
        4,
        "OwnerMismatch",
        "the token account belongs to somebody else",
    ),
    (6, "AlreadyInUse", "the account exists already"),
    (
        9,
        "UninitializedState",
        "the token account is not initialised",
    ),
    (
        11,
        "NonNativeHasBalance",
        "the token account still holds tokens, so it cannot be closed",
    ),
    (14, "Overflow", "the amount overflows"),
    (16, "MintCannotFreeze", "this mint cannot freeze accounts"),
    (17, "AccountFrozen", "the token account is frozen"),
    (
        18,
        "MintDecimalsMismatch",
        "the mint has another number of decimals",
    ),
];

/// The system program's, from solana-system-interface's `SystemError`.
const SYSTEM_ERRORS: &[Known] = &[
    (
        0,
        "AccountAlreadyInUse",
        "an account exists already at the address to create",
    ),
    (
        1,
        "ResultWithNegativeLamports",
        "the payer holds too little SOL",
    ),
    (
        3,
        "InvalidAccountDataLength",
        "the account would be too large",
    ),
];

/// Anchor's own checks, from anchor-lang's `ErrorCode`: those a caller can run into by passing a wrong account.
const ANCHOR_ERRORS: &[Known] = &[
    (
        100,
        "InstructionMissing",
        "the instruction has no discriminator",
    ),
    (
        101,
        "InstructionFallbackNotFound",
        "the program has no such instruction: client and program are of different versions",
    ),
    (
        102,
        "InstructionDidNotDeserialize",
        "the instruction's arguments do not decode: client and program are of different versions",
    ),
    (
        2000,
        "ConstraintMut",
        "an account that must be writable is not",
    ),
    (
        2001,
        "ConstraintHasOne",
        "an account is not the one another account names",
    ),
    (
        2002,
        "ConstraintSigner",
        "an account that must sign did not",
    ),
    (
        2003,
        "ConstraintRaw",
        "an account breaks a condition of the instruction",
    ),
    (
        2004,
        "ConstraintOwner",
        "an account has another owner than required",
    ),
    (
        2006,
        "ConstraintSeeds",
        "an account is not at the address its seeds give",
    ),
    (
        2012,
        "ConstraintAddress",
        "an account is not at the address required",
    ),
    (
        2014,
        "ConstraintTokenMint",
        "a token account is of another mint than required",
    ),
    (
        2015,
        "ConstraintTokenOwner",
        "a token account belongs to another owner than required",
    ),
    (
        3001,
        "AccountDiscriminatorNotFound",
        "an account holds nothing",
    ),
    (
        3002,
        "AccountDiscriminatorMismatch",
        "an account is of another kind than required",
    ),
    (
        3003,
        "AccountDidNotDeserialize",
        "an account's data does not decode",
    ),
    (
        3005,
        "AccountNotEnoughKeys",
        "the instruction has too few accounts",
    ),
    (
        3006,
        "AccountNotMutable",
        "an account that must be writable is not",
    ),
    (
        3007,
        "AccountOwnedByWrongProgram",
        "an account is owned by another program than required",
    ),
    (
        3008,
        "InvalidProgramId",
        "a program is not the one required",
    ),
    (
        3010,
        "AccountNotSigner",
        "an account that must sign did not",
    ),
    (
        3011,
        "AccountNotSystemOwned",
        "an account must be a plain wallet",
    ),
    (
        3012,
        "AccountNotInitialized",
        "an account that must exist does not",
    ),
    (
        4100,
        "DeclaredProgramIdMismatch",
        "the program was deployed at another address than it declares",
    ),
];

/// This program's error with this number.
pub fn io_error_from_code(code: u32) -> Option<IoError> {
    ALL_IO_ERRORS
        .iter()
        .copied()
        .find(|error| u32::from(*error) == code)
}

macro_rules! io_errors {
    ($($variant:ident),* $(,)?) => {
        /// Every error of the program, in its order.
        pub const ALL_IO_ERRORS: &[IoError] = &[$(IoError::$variant),*];

        // Stops compiling when the program gains an error that the list above lacks.
        const _: fn(IoError) = |error| match error { $(IoError::$variant => (),)* };
    };
}

io_errors!(
    NotAdmin,
    NotUpgradeAuthority,
    NotPendingAdmin,
    ParameterOutOfBounds,
    Paused,
    WrongAccount,
    WrongOwner,
    WrongMint,
    MintNotAllowed,
    BadTokenAccount,
    SameAccount,
    Overflow,
    ZeroAmount,
    NotProviderAuthority,
    NotOperator,
    NotRenter,
    StakeNotFree,
    TooManyUnbonding,
    NothingMatured,
    BondTooSmall,
    BondBelowExposure,
    DeviceBusy,
    DeviceNotIdle,
    AttestationStale,
    RequirementNotMet,
    ExposureExceedsBond,
    AskTooHigh,
    TicketRequired,
    TicketExpired,
    WrongState,
    BadTerms,
    DeadlinePassed,
    DeadlineNotPassed,
    ChallengeWindowOpen,
    ChallengeWindowOver,
    BadUnits,
    NoSignatureInstruction,
    MalformedSignatureInstruction,
    WrongMessage,
    NotAnOracle,
    DuplicateOracle,
    QuorumNotReached,
    BadOracleSet,
    EpochNotAcceptable,
    StillOwed,
    NothingOwed,
    PenaltyPending,
    RetentionNotOver,
    Invariant,
    ProposalRequired,
    WrongProposal,
    ProposalNotReady,
    ProposalExpired,
    NotProposable,
    NotCoStaker,
    CoStakeClosed,
    CommissionTooHigh,
    CoStakeTooLarge,
    CoStakeTooSmall,
    PoolWipedOut,
    OwnCoStake,
    AlreadyLeaving,
    NotLeaving,
    CaseUndecided,
    NotEarningYet,
    BondNotShort,
    DeviceAttested,
    OracleBondTooSmall,
    OracleBondRequired,
    OracleSlashed,
    UnbondingInProgress,
    NotOracleOwner,
    NoContradiction,
    AccuserMayNotDecide,
    MintNotClean,
    GenesisIncomplete,
    NotBeneficiary,
    NothingVested,
    EpochNotOver,
    RootNotNewer,
    TotalOutOfRange,
    BadProof,
    NothingToClaim,
    ExtensionNotAllowed,
    NoBuyBack,
    BudgetSpent,
    PriceTooLow,
    NoGuidance,
    NothingToMigrate,
    AnotherJob,
    EscrowTooHigh,
    NotFunded,
    FundedAlready,
    DepositTooSmall,
    NotALease,
    LeaseEnded,
    LeaseNotOver,
    BadCheckpoint,
    TreasuryTooSmall,
    CellIsRight,
    StillAnswering,
    NotCommitted,
    CommitmentTooNew,
    PenaltyUnpaid,
    AccusedMayNotDecide,
);

#[cfg(test)]
mod tests {
    use solana_instruction::error::InstructionError;

    use super::*;

    fn failed(code: u32, logs: &[&str], outer: Pubkey) -> ProgramError {
        let error = TransactionError::InstructionError(0, InstructionError::Custom(code));
        let logs = logs.iter().map(|line| (*line).to_owned()).collect();
        match transaction_failed(error, &[outer], logs, None) {
            Error::Program(error) => *error,
            other => panic!("expected a program's error, got {other:?}"),
        }
    }

    #[test]
    fn every_code_of_the_program_is_named() {
        for (i, error) in ALL_IO_ERRORS.iter().enumerate() {
            let code = 6000 + u32::try_from(i).unwrap();
            let decoded = failed(code, &[], io_network::ID);
            assert_eq!(decoded.io_error, Some(*error));
            assert_eq!(decoded.name.as_deref(), Some(error.name().as_str()));
            assert_eq!(decoded.message, error.to_string());
        }
    }

    #[test]
    fn every_error_of_the_program_is_known() {
        let mut names: Vec<_> = ALL_IO_ERRORS.iter().map(IoError::name).collect();
        names.sort();
        assert_eq!(crate::idl::names("errors"), names);
    }

    #[test]
    fn the_innermost_program_is_named_not_the_one_that_called_it() {
        let token = format!("Program {TOKEN_PROGRAM} failed: custom program error: 0x1");
        let ours = format!(
            "Program {} failed: custom program error: 0x1",
            io_network::ID
        );
        let decoded = failed(1, &[&token, &ours], io_network::ID);
        assert_eq!(decoded.program, TOKEN_PROGRAM);
        assert_eq!(decoded.name.as_deref(), Some("InsufficientFunds"));
        assert_eq!(decoded.io_error, None);
    }

    #[test]
    fn another_programs_number_is_not_taken_for_ours() {
        let other = Pubkey::new_from_array([7; 32]);
        let decoded = failed(6000, &[], other);
        assert_eq!(decoded.io_error, None);
        assert_eq!(decoded.name, None);
    }

    #[test]
    fn anchors_log_line_gives_name_and_message() {
        let line = "Program log: AnchorError occurred. Error Code: ConstraintSeeds. Error Number: 2006. Error Message: A seeds \
                    constraint was violated.";
        let decoded = failed(2006, &[line], io_network::ID);
        assert_eq!(decoded.name.as_deref(), Some("ConstraintSeeds"));
        assert_eq!(decoded.message, "A seeds constraint was violated");
    }

    #[test]
    fn an_empty_wallet_is_told_to_get_sol() {
        let error = transaction_failed(TransactionError::AccountNotFound, &[], Vec::new(), None);
        assert!(error.to_string().contains("has no SOL"), "{error}");
    }
}
