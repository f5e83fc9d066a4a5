//! Slashing with due process: who decides an appeal, where a penalty goes, and what proves that an oracle contradicted itself.

use crate::{
    guidance::{GUIDANCE_DOMAIN, GUIDANCE_LEN},
    lease::{LEASE_DOMAIN, LEASE_LEN, totals_contradict},
    messages::{
        Bytes32, DISPUTED_DOMAIN, Deployment, RESULT_DOMAIN, RESULT_LEN, REWARD_DOMAIN, REWARD_LEN,
        Writer,
    },
    money::{BPS, MoneyError, share_floor},
};

/// Domain of [`SlashStatement`].
pub const SLASH_DOMAIN: [u8; 16] = *b"io/slash/1......";

/// What a quorum decides about an appealed case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SlashVerdict {
    /// The penalty stands.
    Upheld = 1,
    /// It was wrong: everything goes back, the appeal's bond too.
    Returned = 2,
}

impl SlashVerdict {
    /// From its number in an instruction.
    pub fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Upheld),
            2 => Some(Self::Returned),
            _ => None,
        }
    }
}

/// An oracle's decision about an appealed slash case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlashStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// `OracleSet.version` that the signer belongs to.
    pub set_version: u64,
    /// Case account.
    pub case: Bytes32,
    /// When the case was opened, Unix seconds.
    pub opened_at: i64,
    /// The decision.
    pub verdict: SlashVerdict,
}

/// Bytes of a [`SlashStatement`].
pub const SLASH_LEN: usize = 16 + 32 + 32 + 8 + 32 + 8 + 1;

impl SlashStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; SLASH_LEN] {
        let mut w = Writer::<SLASH_LEN>::new();
        w.put(&SLASH_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.set_version.to_le_bytes());
        w.put(&self.case);
        w.put(&self.opened_at.to_le_bytes());
        w.put(&[self.verdict as u8]);
        w.finish()
    }
}

/// Domain of [`ConductStatement`].
pub const CONDUCT_DOMAIN: [u8; 16] = *b"io/conduct/1....";

/// Oracles' finding about one of them: it signed that it had run a job and that the result is right, and the work, run again, comes to
/// another. Whoever has run the work doesn't err about it, so it signed what it had not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConductStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// `OracleSet.version` that the signer belongs to.
    pub set_version: u64,
    /// Key of the oracle that it is about.
    pub oracle: Bytes32,
    /// Job account.
    pub job: Bytes32,
    /// Slot in which that job account was created.
    pub created_slot: u64,
    /// Epoch in which the result was submitted.
    pub epoch: u64,
    /// BLAKE3 of the attestation that is untrue, as the oracles' API writes it.
    pub evidence: Bytes32,
    /// Who gets the finder's share: the job's renter.
    pub finder: Bytes32,
}

/// Bytes of a [`ConductStatement`].
pub const CONDUCT_LEN: usize = 16 + 32 + 32 + 8 + 32 + 32 + 8 + 8 + 32 + 32;

impl ConductStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; CONDUCT_LEN] {
        let mut w = Writer::<CONDUCT_LEN>::new();
        w.put(&CONDUCT_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.set_version.to_le_bytes());
        w.put(&self.oracle);
        w.put(&self.job);
        w.put(&self.created_slot.to_le_bytes());
        w.put(&self.epoch.to_le_bytes());
        w.put(&self.evidence);
        w.put(&self.finder);
        w.finish()
    }
}

/// Signatures that decide an appeal: the quorum, or as many as there are active oracles that did not accuse, if those are
/// fewer; never none.
pub fn signatures_needed(quorum: u32, active: u32, accusers_active: u32) -> u32 {
    quorum.min(active.saturating_sub(accusers_active)).max(1)
}

/// What an appeal must put down, IO base units: `bps` of the penalty (rounded down), at least `floor`.
pub fn appeal_bond(penalty: u64, bps: u16, floor: u64) -> Result<u64, MoneyError> {
    Ok(share_floor(penalty, bps)?.max(floor))
}

/// Where an upheld penalty goes. The three add up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Penalty {
    /// To the renter whose job it was.
    pub renter: u64,
    /// To whoever objected.
    pub challenger: u64,
    /// Burned: what the two shares, rounded down, leave; at least half by the bounds of the shares.
    pub burn: u64,
}

/// Divides an upheld penalty. A party that there is none of has no share: it is burned.
pub fn split_penalty(
    amount: u64,
    renter_bps: u16,
    challenger_bps: u16,
) -> Result<Penalty, MoneyError> {
    if u64::from(renter_bps) + u64::from(challenger_bps) > BPS / 2 {
        return Err(MoneyError::Overflow);
    }
    let renter = share_floor(amount, renter_bps)?;
    let challenger = share_floor(amount, challenger_bps)?;
    Ok(Penalty {
        renter,
        challenger,
        burn: amount - renter - challenger,
    })
}

/// Which rule two statements of one oracle break together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Contradiction {
    /// Two results of one submission, both from before a dispute or both from after it: another verdict, output or count of units.
    Result = 1,
    /// Two reward trees of one epoch.
    Reward = 2,
    /// Two decisions of one case.
    Slash = 3,
    /// Two totals of one lease that don't add up ([`totals_contradict`]).
    Lease = 4,
    /// Two figures of a class's utilisation in one epoch.
    Guidance = 5,
}

/// Where a statement says what it is about, and what it says: byte ranges.
struct Layout {
    kind: Contradiction,
    domain: [u8; 16],
    len: usize,
    subject: (usize, usize),
    said: (usize, usize),
}

/// Start of what follows domain, program, cluster and set version.
const BODY: usize = 16 + 32 + 32 + 8;

/// The layout of a result's statement. Domains never meet: what was said before a dispute is measured by what was said before it.
const fn result_in(domain: [u8; 16]) -> Layout {
    Layout {
        kind: Contradiction::Result,
        domain,
        len: RESULT_LEN,
        // Job and slot of creation; the epoch follows from them.
        subject: (BODY, BODY + 40),
        said: (BODY + 48, RESULT_LEN),
    }
}

const LAYOUTS: [Layout; 6] = [
    result_in(RESULT_DOMAIN),
    result_in(DISPUTED_DOMAIN),
    Layout {
        kind: Contradiction::Reward,
        domain: REWARD_DOMAIN,
        len: REWARD_LEN,
        subject: (BODY, BODY + 8),
        // Root and total; the blob's hash follows from them for whoever builds it as agreed, and harms nobody.
        said: (BODY + 8, BODY + 48),
    },
    Layout {
        kind: Contradiction::Slash,
        domain: SLASH_DOMAIN,
        len: SLASH_LEN,
        subject: (BODY, BODY + 40),
        said: (BODY + 40, SLASH_LEN),
    },
    Layout {
        kind: Contradiction::Lease,
        domain: LEASE_DOMAIN,
        len: LEASE_LEN,
        // Job and slot of creation.
        subject: (BODY, BODY + 40),
        said: (BODY + 40, LEASE_LEN),
    },
    Layout {
        kind: Contradiction::Guidance,
        domain: GUIDANCE_DOMAIN,
        len: GUIDANCE_LEN,
        // Class and epoch.
        subject: (BODY, BODY + 40),
        said: (BODY + 40, GUIDANCE_LEN),
    },
];

/// Seconds and time of a lease's statement.
fn total(said: &[u8]) -> Option<(u64, i64)> {
    let (seconds, at) = said.split_first_chunk()?;
    Some((
        u64::from_le_bytes(*seconds),
        i64::from_le_bytes(at.try_into().ok()?),
    ))
}

/// Whether two signed messages of one oracle contradict each other: same deployment, same subject, something else said (about a
/// lease, whose statements follow each other: totals that don't add up). The
/// oracle set's version may differ: a verdict does not change with it.
pub fn contradiction(deployment: &Deployment, a: &[u8], b: &[u8]) -> Option<Contradiction> {
    let layout = LAYOUTS
        .iter()
        .find(|l| a.len() == l.len && b.len() == l.len && a.starts_with(&l.domain))?;
    let differ = |(from, to): (usize, usize)| a[from..to] != b[from..to];
    let ours = |m: &[u8]| {
        m[..16] == layout.domain
            && m[16..48] == deployment.program
            && m[48..80] == deployment.cluster
    };
    if !ours(a) || !ours(b) || differ(layout.subject) {
        return None;
    }
    let (from, to) = layout.said;
    let contradicts = match layout.kind {
        Contradiction::Lease => totals_contradict(total(&a[from..to])?, total(&b[from..to])?),
        _ => differ(layout.said),
    };
    contradicts.then_some(layout.kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        guidance::GuidanceStatement,
        lease::LeaseStatement,
        messages::{ResultStatement, RewardStatement, Verdict},
    };

    const HERE: Deployment = Deployment {
        program: [1; 32],
        cluster: [2; 32],
    };

    fn result() -> ResultStatement {
        ResultStatement {
            deployment: HERE,
            set_version: 3,
            job: [4; 32],
            created_slot: 5,
            epoch: 6,
            verdict: Verdict::Valid,
            output_hash: [7; 32],
            units: 8,
            disputed: false,
        }
    }

    fn slash() -> SlashStatement {
        SlashStatement {
            deployment: HERE,
            set_version: 3,
            case: [4; 32],
            opened_at: 5,
            verdict: SlashVerdict::Upheld,
        }
    }

    fn lease() -> LeaseStatement {
        LeaseStatement {
            deployment: HERE,
            set_version: 3,
            job: [4; 32],
            created_slot: 5,
            seconds: 6,
            at: 7,
        }
    }

    fn guidance() -> GuidanceStatement {
        GuidanceStatement {
            deployment: HERE,
            set_version: 3,
            class: [4; 32],
            epoch: 5,
            utilisation_bps: 6,
        }
    }

    fn reward() -> RewardStatement {
        RewardStatement {
            deployment: HERE,
            set_version: 3,
            epoch: 4,
            root: [5; 32],
            total: 6,
            blob: [7; 32],
        }
    }

    #[test]
    fn layout_is_fixed() {
        let b = slash().to_bytes();
        assert_eq!(b.len(), 129);
        assert_eq!(&b[..16], b"io/slash/1......");
        assert_eq!(b[88], 4);
        assert_eq!(b[120..128], 5i64.to_le_bytes());
        assert_eq!(b[128], 1);
        assert_eq!(SlashVerdict::from_u8(1), Some(SlashVerdict::Upheld));
        assert_eq!(SlashVerdict::from_u8(2), Some(SlashVerdict::Returned));
        assert_eq!(SlashVerdict::from_u8(0), None);
    }

    #[test]
    fn every_field_of_a_slash_statement_changes_its_bytes() {
        let base = slash();
        let elsewhere = Deployment {
            cluster: [9; 32],
            ..HERE
        };
        let other = Deployment {
            program: [9; 32],
            ..HERE
        };
        let variants = [
            base,
            SlashStatement {
                deployment: elsewhere,
                ..base
            },
            SlashStatement {
                deployment: other,
                ..base
            },
            SlashStatement {
                set_version: 9,
                ..base
            },
            SlashStatement {
                case: [9; 32],
                ..base
            },
            SlashStatement {
                opened_at: 9,
                ..base
            },
            SlashStatement {
                verdict: SlashVerdict::Returned,
                ..base
            },
        ];
        let all: std::collections::HashSet<_> =
            variants.iter().map(SlashStatement::to_bytes).collect();
        assert_eq!(all.len(), variants.len());
    }

    #[test]
    fn every_field_of_a_conduct_statement_changes_its_bytes() {
        let base = ConductStatement {
            deployment: HERE,
            set_version: 3,
            oracle: [4; 32],
            job: [5; 32],
            created_slot: 6,
            epoch: 7,
            evidence: [8; 32],
            finder: [9; 32],
        };
        let bytes = base.to_bytes();
        assert_eq!(bytes.len(), 232);
        assert_eq!(&bytes[..16], b"io/conduct/1....");
        let in_deployment = |program, cluster| ConductStatement {
            deployment: Deployment { program, cluster },
            ..base
        };
        let variants = [
            base,
            in_deployment([0; 32], [2; 32]),
            in_deployment([1; 32], [0; 32]),
            ConductStatement {
                set_version: 0,
                ..base
            },
            ConductStatement {
                oracle: [0; 32],
                ..base
            },
            ConductStatement {
                job: [0; 32],
                ..base
            },
            ConductStatement {
                created_slot: 0,
                ..base
            },
            ConductStatement { epoch: 0, ..base },
            ConductStatement {
                evidence: [0; 32],
                ..base
            },
            ConductStatement {
                finder: [0; 32],
                ..base
            },
        ];
        let all: std::collections::HashSet<_> =
            variants.iter().map(ConductStatement::to_bytes).collect();
        assert_eq!(all.len(), variants.len());
        // Two of them are no contradiction, whatever they say.
        assert_eq!(contradiction(&HERE, &bytes, &variants[6].to_bytes()), None);
    }

    #[test]
    fn another_word_about_the_same_submission_contradicts() {
        let a = result();
        let same = ResultStatement {
            set_version: 4,
            ..a
        };
        assert_eq!(contradiction(&HERE, &a.to_bytes(), &same.to_bytes()), None);
        for other in [
            ResultStatement {
                verdict: Verdict::Invalid,
                ..a
            },
            ResultStatement {
                output_hash: [9; 32],
                ..a
            },
            ResultStatement { units: 9, ..a },
            ResultStatement {
                units: 9,
                set_version: 4,
                ..a
            },
        ] {
            assert_eq!(
                contradiction(&HERE, &a.to_bytes(), &other.to_bytes()),
                Some(Contradiction::Result)
            );
        }
        // About something else, or elsewhere: no contradiction.
        for other in [
            ResultStatement {
                job: [9; 32],
                units: 9,
                ..a
            },
            ResultStatement {
                created_slot: 9,
                units: 9,
                ..a
            },
            ResultStatement {
                deployment: Deployment {
                    cluster: [9; 32],
                    ..HERE
                },
                units: 9,
                ..a
            },
            ResultStatement {
                deployment: Deployment {
                    program: [9; 32],
                    ..HERE
                },
                units: 9,
                ..a
            },
        ] {
            assert_eq!(
                contradiction(&HERE, &a.to_bytes(), &other.to_bytes()),
                None,
                "{other:?}"
            );
            assert_eq!(
                contradiction(&HERE, &other.to_bytes(), &a.to_bytes()),
                None,
                "{other:?}"
            );
        }
    }

    /// An oracle may have vouched for a result's form before somebody objected. Within each of the two domains it says one thing.
    #[test]
    fn a_verdict_on_a_dispute_contradicts_only_another_one() {
        let before = result();
        let after = ResultStatement {
            disputed: true,
            ..before
        };
        let against = |r: ResultStatement| ResultStatement {
            verdict: Verdict::Invalid,
            ..r
        };
        for r in [before, after] {
            assert_eq!(
                contradiction(&HERE, &r.to_bytes(), &against(r).to_bytes()),
                Some(Contradiction::Result),
                "{r:?}"
            );
        }
        for (a, b) in [
            (before, against(after)),
            (against(before), after),
            (before, after),
        ] {
            for (a, b) in [(a, b), (b, a)] {
                assert_eq!(
                    contradiction(&HERE, &a.to_bytes(), &b.to_bytes()),
                    None,
                    "{a:?} {b:?}"
                );
            }
        }
    }

    #[test]
    fn another_word_about_an_epoch_a_case_or_a_lease_contradicts() {
        let (a, b) = (reward(), slash());
        for other in [
            RewardStatement { root: [9; 32], ..a },
            RewardStatement { total: 9, ..a },
        ] {
            assert_eq!(
                contradiction(&HERE, &a.to_bytes(), &other.to_bytes()),
                Some(Contradiction::Reward)
            );
        }
        let later = RewardStatement {
            epoch: 9,
            root: [9; 32],
            ..a
        };
        assert_eq!(contradiction(&HERE, &a.to_bytes(), &later.to_bytes()), None);
        let other = SlashStatement {
            verdict: SlashVerdict::Returned,
            ..b
        };
        assert_eq!(
            contradiction(&HERE, &b.to_bytes(), &other.to_bytes()),
            Some(Contradiction::Slash)
        );
        let elsewhere = SlashStatement {
            case: [9; 32],
            ..other
        };
        assert_eq!(
            contradiction(&HERE, &b.to_bytes(), &elsewhere.to_bytes()),
            None
        );
        let lease = lease();
        for (other, expected) in [
            (
                LeaseStatement {
                    seconds: 7,
                    ..lease
                },
                true,
            ),
            (
                LeaseStatement {
                    seconds: 5,
                    at: 8,
                    ..lease
                },
                true,
            ),
            (
                LeaseStatement {
                    seconds: 7,
                    at: 6,
                    ..lease
                },
                true,
            ),
            (
                LeaseStatement {
                    set_version: 9,
                    seconds: 7,
                    ..lease
                },
                true,
            ),
            (LeaseStatement { at: 8, ..lease }, false),
            (
                LeaseStatement {
                    seconds: 9,
                    at: 8,
                    ..lease
                },
                false,
            ),
            (
                LeaseStatement {
                    set_version: 9,
                    ..lease
                },
                false,
            ),
            (
                LeaseStatement {
                    job: [9; 32],
                    seconds: 7,
                    ..lease
                },
                false,
            ),
            (
                LeaseStatement {
                    created_slot: 9,
                    seconds: 7,
                    ..lease
                },
                false,
            ),
        ] {
            let expected = expected.then_some(Contradiction::Lease);
            let (one, two) = (lease.to_bytes(), other.to_bytes());
            assert_eq!(contradiction(&HERE, &one, &two), expected, "{other:?}");
            assert_eq!(contradiction(&HERE, &two, &one), expected, "{other:?}");
        }
        let guidance = guidance();
        for (other, expected) in [
            (
                GuidanceStatement {
                    utilisation_bps: 7,
                    ..guidance
                },
                true,
            ),
            (
                GuidanceStatement {
                    set_version: 9,
                    ..guidance
                },
                false,
            ),
            (
                GuidanceStatement {
                    class: [9; 32],
                    utilisation_bps: 7,
                    ..guidance
                },
                false,
            ),
            (
                GuidanceStatement {
                    epoch: 9,
                    utilisation_bps: 7,
                    ..guidance
                },
                false,
            ),
        ] {
            let expected = expected.then_some(Contradiction::Guidance);
            let (one, two) = (guidance.to_bytes(), other.to_bytes());
            assert_eq!(contradiction(&HERE, &one, &two), expected, "{other:?}");
        }
        // Statements of two kinds never contradict each other.
        assert_eq!(contradiction(&HERE, &a.to_bytes(), &b.to_bytes()), None);
    }

    #[test]
    fn accusers_do_not_decide_and_somebody_must() {
        assert_eq!(signatures_needed(2, 5, 2), 2);
        assert_eq!(signatures_needed(3, 5, 3), 2);
        assert_eq!(signatures_needed(2, 3, 3), 1);
        assert_eq!(signatures_needed(2, 2, 2), 1);
        assert_eq!(signatures_needed(4, 5, 0), 4);
    }

    #[test]
    fn an_appeal_costs_its_share_or_the_floor() {
        assert_eq!(appeal_bond(1_000, 1_000, 5), Ok(100));
        assert_eq!(appeal_bond(1_000, 1_000, 500), Ok(500));
        assert_eq!(appeal_bond(9, 1_000, 0), Ok(0));
    }

    #[test]
    fn shares_may_come_to_a_half_and_no_more() {
        let half = Penalty {
            renter: 25,
            challenger: 25,
            burn: 51,
        };
        assert_eq!(split_penalty(101, 2_500, 2_500), Ok(half));
        assert_eq!(split_penalty(101, 2_500, 2_501), Err(MoneyError::Overflow));
    }

    proptest! {
        #[test]
        fn at_least_half_of_a_penalty_is_burned(amount: u64, renter in 0u16..=5_000, challenger in 0u16..=5_000) {
            match split_penalty(amount, renter, challenger) {
                Ok(p) => {
                    prop_assert_eq!(p.renter + p.challenger + p.burn, amount);
                    prop_assert!(p.burn >= amount - amount / 2);
                    prop_assert!(u128::from(p.renter) * 10_000 <= u128::from(amount) * u128::from(renter));
                }
                Err(_) => prop_assert!(renter + challenger > 5_000),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(a in proptest::collection::vec(any::<u8>(), 0..200), b in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(contradiction(&HERE, &a, &b), None);
        }
    }
}
