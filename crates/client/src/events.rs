//! Events out of a transaction's log lines.
//!
//! Any program can log any text, so a line counts only while this network's program is the one running: the runtime's own
//! "invoke", "success" and "failed" lines say which. A program cannot forge those, its own text is always behind
//! "Program log: " or "Program data: ".

use anchor_lang::{AnchorDeserialize, Discriminator, prelude::Pubkey};
use base64::{Engine, prelude::BASE64_STANDARD};
pub use io_network::events::{
    AccountMigrated, BuyBackChanged, CoStakeChanged, CoStakeClosed, DepositChanged, DepositClosed,
    DeviceChanged, DeviceClassChanged, DeviceRetired, EmissionChanged, EvidenceChanged,
    EvidenceClosed, JobChanged, JobClosed, NetworkChanged, OracleChanged, OracleSetChanged,
    PaymentMintChanged, ProposalChanged, ProposalClosed, ProviderChanged, SlashCaseChanged,
    SlashCaseClosed, VestingChanged,
};

/// Deepest nesting of programs that a log is read for; the runtime allows less.
const MAX_DEPTH: usize = 16;
/// Events that one transaction is read for: more than its log has room for.
pub const MAX_EVENTS: usize = 256;
/// What a node writes in place of lines beyond its limit.
const TRUNCATED: &str = "Log truncated";

macro_rules! events {
    ($($event:ident),* $(,)?) => {
        /// An event of the program.
        pub enum IoEvent {
            $($event(Box<$event>),)*
        }

        impl IoEvent {
            /// Every event's name.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($event)),*];

            /// The event's name, as in the IDL.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$event(_) => stringify!($event),)* }
            }

            /// Decodes discriminator and body. `Ok(None)`: an event that this client does not know.
            pub fn decode(bytes: &[u8]) -> Result<Option<Self>, String> {
                let Some((kind, mut body)) = bytes.split_at_checked(8) else { return Ok(None) };
                $(if kind == $event::DISCRIMINATOR {
                    let event = $event::deserialize(&mut body).map_err(|error| format!("{}: {error}", stringify!($event)))?;
                    if !body.is_empty() {
                        return Err(format!("{}: {} bytes left over", stringify!($event), body.len()));
                    }
                    return Ok(Some(Self::$event(Box::new(event))));
                })*
                Ok(None)
            }
        }
    };
}

events!(
    JobChanged,
    JobClosed,
    DeviceChanged,
    DeviceRetired,
    ProviderChanged,
    SlashCaseChanged,
    SlashCaseClosed,
    OracleChanged,
    CoStakeChanged,
    CoStakeClosed,
    NetworkChanged,
    OracleSetChanged,
    DeviceClassChanged,
    PaymentMintChanged,
    ProposalChanged,
    AccountMigrated,
    BuyBackChanged,
    DepositChanged,
    DepositClosed,
    EvidenceChanged,
    EvidenceClosed,
    ProposalClosed,
    EmissionChanged,
    VestingChanged,
);

impl std::fmt::Debug for IoEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What a log holds for us.
#[derive(Debug, Default)]
pub struct Parsed {
    pub events: Vec<IoEvent>,
    /// Some may be missing: the node cut the log off, or an event did not decode. Read the accounts instead.
    pub incomplete: bool,
}

/// Events that `program` itself logged, in order.
pub fn parse(program: &Pubkey, logs: &[String]) -> Parsed {
    let mut parsed = Parsed::default();
    for bytes in data_of(program, logs, &mut parsed.incomplete) {
        if parsed.events.len() == MAX_EVENTS {
            parsed.incomplete = true;
            break;
        }
        match IoEvent::decode(&bytes) {
            Ok(Some(event)) => parsed.events.push(event),
            // Of a newer program: whoever needs it has a newer client.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "an event does not decode: program and client are of different versions");
                parsed.incomplete = true;
            }
        }
    }
    parsed
}

/// Contents of the "Program data: " lines written while `program` was the innermost running.
fn data_of(program: &Pubkey, logs: &[String], incomplete: &mut bool) -> Vec<Vec<u8>> {
    let program = program.to_string();
    let mut running: Vec<bool> = Vec::with_capacity(4);
    let mut found = Vec::new();
    for line in logs {
        if line == TRUNCATED {
            *incomplete = true;
            break;
        }
        let Some(rest) = line.strip_prefix("Program ") else {
            continue;
        };
        if let Some(data) = rest.strip_prefix("data: ") {
            if running.last() == Some(&true) {
                // Several pieces of one call are separated by spaces; an event is one piece.
                match data
                    .split(' ')
                    .map(|piece| BASE64_STANDARD.decode(piece))
                    .collect::<Result<Vec<_>, _>>()
                {
                    Ok(pieces) => found.push(pieces.concat()),
                    Err(_) => *incomplete = true,
                }
            }
            continue;
        }
        if rest.starts_with("log: ") || rest.starts_with("return: ") {
            continue;
        }
        let Some((id, what)) = rest.split_once(' ') else {
            continue;
        };
        if what.starts_with("invoke [") {
            if running.len() == MAX_DEPTH {
                *incomplete = true;
                break;
            }
            running.push(id == program);
        } else if what == "success" || what.starts_with("failed") {
            running.pop();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use io_network::state::Job;
    use proptest::prelude::*;

    use super::*;

    fn job_line(escrow: u64) -> String {
        let mut bytes = JobChanged::DISCRIMINATOR.to_vec();
        bytes.extend([9; 32]);
        bytes.push(0);
        bytes.extend(bytemuck::bytes_of(&Job {
            escrow,
            ..Job::zeroed()
        }));
        format!("Program data: {}", BASE64_STANDARD.encode(bytes))
    }

    fn escrows(logs: &[String]) -> Vec<u64> {
        parse(&io_network::ID, logs)
            .events
            .iter()
            .map(|event| match event {
                IoEvent::JobChanged(changed) => changed.after.escrow,
                other => panic!("unexpected {other:?}"),
            })
            .collect()
    }

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    const OTHER: &str = "11111111111111111111111111111111";

    #[test]
    fn events_are_taken_from_this_programs_own_lines_only() {
        let ours = io_network::ID;
        let invoke = |id: &str, depth| format!("Program {id} invoke [{depth}]");
        let logs = vec![
            invoke(OTHER, 1),
            job_line(1), // another program, alone
            invoke(&ours.to_string(), 2),
            job_line(2),
            invoke(OTHER, 3),
            job_line(3), // a program that ours called
            format!("Program {OTHER} success"),
            job_line(4),
            format!("Program {ours} consumed 10 of 20 compute units"),
            format!("Program {ours} success"),
            job_line(5), // the caller, afterwards
            format!("Program {OTHER} success"),
            invoke(&ours.to_string(), 1),
            job_line(6),
            format!("Program {ours} success"),
        ];
        assert_eq!(escrows(&logs), [2, 4, 6]);
    }

    #[test]
    fn a_program_that_logs_the_runtimes_words_fools_nobody() {
        let ours = io_network::ID;
        let logs = vec![
            format!("Program {OTHER} invoke [1]"),
            format!("Program log: Program {ours} invoke [2]"),
            job_line(1),
            format!("Program log: \nProgram {ours} invoke [2]"),
            job_line(2),
            format!("Program {OTHER} success"),
        ];
        assert!(escrows(&logs).is_empty());
    }

    #[test]
    fn a_cut_off_log_and_a_damaged_event_are_told() {
        let ours = io_network::ID;
        let head = format!("Program {ours} invoke [1]");
        let cut = parse(&ours, &[head.clone(), job_line(1), TRUNCATED.to_owned()]);
        assert!(cut.incomplete && cut.events.len() == 1);
        let damaged = parse(
            &ours,
            &[head.clone(), job_line(1)[..200].to_owned(), job_line(2)],
        );
        assert!(damaged.incomplete && damaged.events.len() == 1);
        let unknown = parse(
            &ours,
            &[
                head,
                format!("Program data: {}", BASE64_STANDARD.encode([1; 40])),
            ],
        );
        assert!(!unknown.incomplete && unknown.events.is_empty());
    }

    #[test]
    fn every_event_of_the_program_is_known() {
        assert_eq!(crate::idl::names("events"), sorted(IoEvent::NAMES));
    }

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_the_program_logs_is_what_the_client_reads() {
        // log_snapshot writes bytes by hand; the derived decoding must agree.
        let job = Job {
            escrow: 77,
            state: 3,
            ..Job::zeroed()
        };
        let event = JobChanged {
            job: Pubkey::new_from_array([5; 32]),
            before: 2,
            after: job,
        };
        let bytes = anchor_lang::Event::data(&event);
        match IoEvent::decode(&bytes).unwrap() {
            Some(IoEvent::JobChanged(read)) => {
                assert_eq!(
                    (read.job, read.before, read.after),
                    (event.job, event.before, event.after)
                );
            }
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn no_log_makes_it_panic(logs in proptest::collection::vec(
            prop_oneof![
                ".{0,60}",
                Just(format!("Program {} invoke [1]", io_network::ID)),
                Just(format!("Program {} success", io_network::ID)),
                Just(job_line(1)),
                "Program data: [A-Za-z0-9+/= ]{0,80}",
            ],
            0..40,
        )) {
            parse(&io_network::ID, &logs);
        }
    }

    #[test]
    fn lines_without_any_program_are_ignored() {
        assert!(
            escrows(&lines(&[
                "",
                "Program",
                "Program ",
                "Program x",
                "Program data: ",
                "nonsense"
            ]))
            .is_empty()
        );
    }
}
