//! How a command fails: what happened, what to do next, and the process's exit code.

use std::{fmt, path::Path};

use io_client::io_network::errors::IoError;

/// Exit codes, as scripts see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Failed = 1,
    Usage = 2,
    /// No key, an unreadable one, or one that may not do this.
    Wallet = 3,
    NotFound = 4,
    /// Too little SOL, tokens or stake, or too low a limit.
    Funds = 5,
    TimeOut = 6,
    Interrupted = 130,
}

impl Exit {
    /// The code's name in JSON errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Wallet => "wallet",
            Self::NotFound => "not_found",
            Self::Funds => "funds",
            Self::TimeOut => "time_out",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The end of a command that did not do what it was asked.
#[derive(Debug, Clone)]
pub struct Failure {
    pub exit: Exit,
    /// What was expected and what came.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The RPC node did not answer, or not in time.
    pub node_is_silent: bool,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
            node_is_silent: false,
        }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn wallet(message: impl Into<String>) -> Self {
        Self::new(Exit::Wallet, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }

    pub fn funds(message: impl Into<String>) -> Self {
        Self::new(Exit::Funds, message)
    }

    pub fn time_out(message: impl Into<String>) -> Self {
        Self::new(Exit::TimeOut, message)
    }

    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn hint_if_none(mut self, hint: impl FnOnce() -> String) -> Self {
        if self.hint.is_none() {
            self.hint = Some(hint());
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// A failed read or write of a file.
pub fn file_failure(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let failure = match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::not_found(format!("{what} {}: there is no such file", path.display()))
        }
        _ => Failure::failed(format!("{what} {}: {error}", path.display())),
    };
    failure.hint("Check the path and its permissions.")
}

impl From<io_client::Error> for Failure {
    fn from(error: io_client::Error) -> Self {
        use io_client::Error as E;
        let message = error.to_string();
        match &error {
            E::Key { .. } => Self::wallet(message).hint("Pass another key with -k FILE, or set IO_KEYPAIR."),
            E::MissingSigner(_) | E::Signing { .. } => Self::wallet(message),
            E::NoAccount { .. } => Self::not_found(message)
                .hint("Check the address, and the cluster with -u: `io config show` tells which one is used."),
            E::BadUrl { .. } => Self::usage(message),
            E::Rpc { transient: true, .. } => Self {
                node_is_silent: true,
                ..Self::failed(message)
                    .hint("Check the RPC address with `io doctor`; start a network on this machine with `io up`.")
            },
            E::Unresolved { .. } | E::Expired { .. } => Self::time_out(message),
            E::Transaction { error: inner, .. } => {
                let text = format!("{inner:?}");
                if text.contains("InsufficientFunds") || text.contains("AccountNotFound") {
                    Self::funds(message).hint("`io doctor` shows the wallet's balances.")
                } else {
                    Self::failed(message)
                }
            }
            E::Program(program) => program_failure(message, program),
            _ => Self::failed(message),
        }
    }
}

fn program_failure(message: String, program: &io_client::error::ProgramError) -> Failure {
    let exit = match program.io_error {
        Some(
            IoError::NotAdmin
            | IoError::NotRenter
            | IoError::NotOperator
            | IoError::NotProviderAuthority,
        ) => Exit::Wallet,
        Some(IoError::NotUpgradeAuthority | IoError::NotPendingAdmin) => Exit::Wallet,
        Some(IoError::StakeNotFree | IoError::BondTooSmall | IoError::ExposureExceedsBond) => {
            Exit::Funds
        }
        _ if program.name.as_deref() == Some("InsufficientFunds") => Exit::Funds,
        _ if program.name.as_deref() == Some("ResultWithNegativeLamports") => Exit::Funds,
        _ => Exit::Failed,
    };
    let hint = match program.io_error {
        Some(
            IoError::NotAdmin
            | IoError::NotRenter
            | IoError::NotOperator
            | IoError::NotProviderAuthority,
        ) => "Sign with the key that owns this: -k FILE.",
        Some(IoError::NotPendingAdmin) => {
            "Sign with the proposed administrator's key: -k FILE. `io network show` names whom."
        }
        Some(IoError::ParameterOutOfBounds) => {
            "Nothing was changed. --help names the bounds of each parameter."
        }
        Some(IoError::BadOracleSet) => {
            "Name 1 to 32 different keys, and a quorum of at least 1 and at most all of them."
        }
        Some(IoError::DeviceBusy) => {
            "Drain it with `io device drain`, and try again when its jobs are settled."
        }
        Some(IoError::StillAnswering) => {
            "`io device list` shows when its newest figures were measured; `io device retire` says from when on it can be."
        }
        Some(IoError::NotUpgradeAuthority) => "Sign with the program's upgrade authority: -k FILE.",
        Some(IoError::StakeNotFree) => {
            "`io stake status` shows what is free; add some with `io stake add AMOUNT`."
        }
        Some(IoError::BondTooSmall) => {
            "`io network show` lists the minimum bonds; raise it with --bond."
        }
        Some(IoError::WrongState) => "`io job get JOB` shows the state that the job is in.",
        Some(IoError::ChallengeWindowOver) => {
            "The result stands; `io job get JOB` shows how it was settled."
        }
        Some(IoError::NothingMatured) => {
            "`io stake status` shows when the next amount can be withdrawn."
        }
        Some(IoError::Paused) => {
            "Wait until the administrator resumes the network; `io network show` tells."
        }
        _ if exit == Exit::Funds => "`io doctor` shows the wallet's balances.",
        _ => "Nothing was changed. Run again with IO_LOG=debug for details.",
    };
    Failure::new(exit, message).hint(hint)
}

impl From<io_engines::EngineError> for Failure {
    fn from(error: io_engines::EngineError) -> Self {
        let renters = error.fault() == io_engines::Fault::Renter;
        let failure = Self::failed(error.to_string());
        if renters {
            failure.hint("Correct the input and run the command again. Nothing was sent or paid.")
        } else {
            failure
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}
