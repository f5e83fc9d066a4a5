//! Statements of the hardware proof. What is computed and checked is in `io_proof::hardware`.

use crate::messages::{Bytes32, Deployment, Writer};

/// Domain of [`RoundStatement`].
pub const ROUND_DOMAIN: [u8; 16] = *b"io/round/1......";
/// Domain of [`RevealStatement`].
pub const REVEAL_DOMAIN: [u8; 16] = *b"io/reveal/1.....";
/// Domain of [`CommitmentStatement`].
pub const COMMITMENT_DOMAIN: [u8; 16] = *b"io/hardware/1...";

/// What an oracle signs to open a round for all its devices. The round's seed is a hash of this signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundStatement {
    pub deployment: Deployment,
    /// The oracle's key.
    pub oracle: Bytes32,
    /// `messages::epoch_of` the round's time.
    pub epoch: u64,
    /// The newest blockhash when the round was opened: nobody knew it earlier.
    pub blockhash: Bytes32,
}

/// Bytes of a [`RoundStatement`].
pub const ROUND_LEN: usize = 16 + 32 + 32 + 32 + 8 + 32;

impl RoundStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; ROUND_LEN] {
        let mut w = Writer::<ROUND_LEN>::new();
        w.put(&ROUND_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.oracle);
        w.put(&self.epoch.to_le_bytes());
        w.put(&self.blockhash);
        w.finish()
    }
}

/// What an oracle signs once a round's window is over. The seed of r and of the opened rows is a hash of this signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevealStatement {
    pub deployment: Deployment,
    /// The oracle's key.
    pub oracle: Bytes32,
    pub round_seed: Bytes32,
}

/// Bytes of a [`RevealStatement`].
pub const REVEAL_LEN: usize = 16 + 32 + 32 + 32 + 32;

impl RevealStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; REVEAL_LEN] {
        let mut w = Writer::<REVEAL_LEN>::new();
        w.put(&REVEAL_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.oracle);
        w.put(&self.round_seed);
        w.finish()
    }
}

/// What a device's operator signs inside the window: its products are these and no others. A wrong cell under this
/// signature is a fault that anybody can prove to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitmentStatement {
    pub deployment: Deployment,
    /// Device account.
    pub device: Bytes32,
    pub epoch: u64,
    pub round_seed: Bytes32,
    /// `io_proof::hardware::Committed::commitment`.
    pub commitment: Bytes32,
}

/// Bytes of a [`CommitmentStatement`].
pub const COMMITMENT_LEN: usize = 16 + 32 + 32 + 32 + 8 + 32 + 32;

impl CommitmentStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; COMMITMENT_LEN] {
        let mut w = Writer::<COMMITMENT_LEN>::new();
        w.put(&COMMITMENT_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.device);
        w.put(&self.epoch.to_le_bytes());
        w.put(&self.round_seed);
        w.put(&self.commitment);
        w.finish()
    }

    /// The statement that these bytes are; `None` for another domain's.
    pub fn read(bytes: &[u8; COMMITMENT_LEN]) -> Option<Self> {
        let (domain, mut rest) = bytes.split_first_chunk::<16>()?;
        if *domain != COMMITMENT_DOMAIN {
            return None;
        }
        let mut next = || {
            let (head, tail) = rest.split_first_chunk::<32>()?;
            rest = tail;
            Some(*head)
        };
        let deployment = Deployment {
            program: next()?,
            cluster: next()?,
        };
        let device = next()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (round_seed, rest) = rest.split_first_chunk::<32>()?;
        Some(Self {
            deployment,
            device,
            epoch: u64::from_le_bytes(*epoch),
            round_seed: *round_seed,
            commitment: *rest.first_chunk::<32>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::*;
    use std::collections::HashSet;

    #[test]
    fn every_field_of_a_hardware_statement_changes_its_bytes_and_domains_differ() {
        let deployment = Deployment {
            program: [1; 32],
            cluster: [2; 32],
        };
        let others = [
            Deployment {
                program: [9; 32],
                ..deployment
            },
            Deployment {
                cluster: [9; 32],
                ..deployment
            },
        ];
        let round = RoundStatement {
            deployment,
            oracle: [3; 32],
            epoch: 4,
            blockhash: [5; 32],
        };
        let reveal = RevealStatement {
            deployment,
            oracle: [3; 32],
            round_seed: [4; 32],
        };
        let commitment = CommitmentStatement {
            deployment,
            device: [3; 32],
            epoch: 4,
            round_seed: [5; 32],
            commitment: [6; 32],
        };
        let all = [
            round.to_bytes().to_vec(),
            RoundStatement {
                deployment: others[0],
                ..round
            }
            .to_bytes()
            .to_vec(),
            RoundStatement {
                deployment: others[1],
                ..round
            }
            .to_bytes()
            .to_vec(),
            RoundStatement {
                oracle: [9; 32],
                ..round
            }
            .to_bytes()
            .to_vec(),
            RoundStatement { epoch: 9, ..round }.to_bytes().to_vec(),
            RoundStatement {
                blockhash: [9; 32],
                ..round
            }
            .to_bytes()
            .to_vec(),
            reveal.to_bytes().to_vec(),
            RevealStatement {
                deployment: others[0],
                ..reveal
            }
            .to_bytes()
            .to_vec(),
            RevealStatement {
                deployment: others[1],
                ..reveal
            }
            .to_bytes()
            .to_vec(),
            RevealStatement {
                oracle: [9; 32],
                ..reveal
            }
            .to_bytes()
            .to_vec(),
            RevealStatement {
                round_seed: [9; 32],
                ..reveal
            }
            .to_bytes()
            .to_vec(),
            commitment.to_bytes().to_vec(),
            CommitmentStatement {
                deployment: others[0],
                ..commitment
            }
            .to_bytes()
            .to_vec(),
            CommitmentStatement {
                deployment: others[1],
                ..commitment
            }
            .to_bytes()
            .to_vec(),
            CommitmentStatement {
                device: [9; 32],
                ..commitment
            }
            .to_bytes()
            .to_vec(),
            CommitmentStatement {
                epoch: 9,
                ..commitment
            }
            .to_bytes()
            .to_vec(),
            CommitmentStatement {
                round_seed: [9; 32],
                ..commitment
            }
            .to_bytes()
            .to_vec(),
            CommitmentStatement {
                commitment: [9; 32],
                ..commitment
            }
            .to_bytes()
            .to_vec(),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(
            CommitmentStatement::read(&commitment.to_bytes()),
            Some(commitment)
        );
        let mut other = commitment.to_bytes();
        other[0] ^= 1;
        assert_eq!(CommitmentStatement::read(&other), None);
        let domains = [
            ROUND_DOMAIN,
            REVEAL_DOMAIN,
            COMMITMENT_DOMAIN,
            RESULT_DOMAIN,
            TICKET_DOMAIN,
            DEVICE_DOMAIN,
            REWARD_DOMAIN,
            REQUEST_DOMAIN,
        ];
        assert_eq!(HashSet::from(domains).len(), domains.len());
    }
}
