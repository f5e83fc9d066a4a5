//! Hardware commitments with one wrong cell, as a cheating device would sign them, and the calls that prove it.

use anchor_lang::prelude::Pubkey;
use io_network::{
    accounts, attest::INSTRUCTIONS_SYSVAR, constants::EVIDENCE_SLOTS, instruction, seeds,
    token::TOKEN_PROGRAM,
};
use io_proof::hardware::{
    Hash, Software,
    cell::{CellClaim, LEAF_BYTES, Sha256, evidence_hash, item_path_len},
    reference::{dot, line},
};
use io_protocol::{
    hardware::CommitmentStatement,
    messages::{Deployment, epoch_of},
};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::{
    ed25519::Ed25519,
    parties::Rig,
    world::{self, Call, SYSTEM, World, network},
};

/// Everything of a commitment that leads to one of its cells. The rest of its tree is whatever the siblings stand for.
#[derive(Clone, Debug)]
pub struct Cell {
    pub n: u32,
    pub passes: u32,
    pub pass: u32,
    pub row: u32,
    pub col: u32,
    pub round_seed: Hash,
    pub a_seed: Hash,
    pub b_seed: Hash,
    pub leaf: [u8; LEAF_BYTES],
    pub path: Vec<Hash>,
    pub item_path: Vec<Hash>,
}

impl Cell {
    /// A cell that is off by `off` from what it should be.
    pub fn off_by(n: u32, passes: u32, off: i32) -> Self {
        let hash = |what: &[u8], at: u32| Software::hash(&[b"cell", what, &at.to_le_bytes()]);
        let (pass, row, col) = (passes - 1, n / 3, n - 2);
        let siblings = (n * (n / 32)).trailing_zeros();
        let (a_seed, b_seed) = (hash(b"a", 0), hash(b"b", 0));
        let (of_a, of_b) = (line(&a_seed, n, row), line(&b_seed, n, col));
        let right = dot(&of_a, &of_b);
        let mut leaf = [7; LEAF_BYTES];
        let at = col as usize % 32 * 4;
        leaf[at..at + 4].copy_from_slice(&right.wrapping_add(off).to_le_bytes());
        Self {
            n,
            passes,
            pass,
            row,
            col,
            round_seed: hash(b"round", 0),
            a_seed,
            b_seed,
            leaf,
            path: (0..siblings).map(|at| hash(b"path", at)).collect(),
            item_path: (0..item_path_len(pass, passes) as u32)
                .map(|at| hash(b"item", at))
                .collect(),
        }
    }

    pub fn claim(&self) -> CellClaim<'_> {
        CellClaim {
            n: self.n,
            passes: self.passes,
            pass: self.pass,
            row: self.row,
            col: self.col,
            a_seed: self.a_seed,
            b_seed: self.b_seed,
            leaf: &self.leaf,
            path: &self.path,
            item_path: &self.item_path,
        }
    }

    /// What a device signed that committed to it.
    pub fn statement(
        &self,
        deployment: Deployment,
        device: &Pubkey,
        epoch: u64,
    ) -> CommitmentStatement {
        let device = device.to_bytes();
        let commitment = self
            .claim()
            .commitment::<Software>(&self.round_seed, &device);
        CommitmentStatement {
            deployment,
            device,
            epoch,
            round_seed: self.round_seed,
            commitment: commitment.expect("a claim of the right shape"),
        }
    }

    /// The claim as the program reads it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (path, item) = (self.path.len() as u32, self.item_path.len() as u32);
        for number in [
            self.n,
            self.passes,
            self.pass,
            self.row,
            self.col,
            path,
            item,
            0,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.a_seed);
        bytes.extend(self.b_seed);
        bytes.extend(self.leaf);
        bytes.extend(self.path.as_flattened());
        bytes.resize(32 + 64 + LEAF_BYTES + 25 * 32, 0);
        bytes.extend(self.item_path.as_flattened());
        bytes.resize(io_network::state::CLAIM_BYTES, 0);
        bytes
    }
}

/// The most that a proof may use, compute units.
pub const LIMIT: u32 = 800_000;

/// Sets a transaction's limit: the default is too low for a proof.
fn compute_limit(units: u32) -> Instruction {
    let mut data = vec![2];
    data.extend(units.to_le_bytes());
    Instruction {
        program_id: Pubkey::from_str_const("ComputeBudget111111111111111111111111111111"),
        accounts: Vec::new(),
        data,
    }
}

/// Address of a challenger's evidence.
pub fn evidence(challenger: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[seeds::EVIDENCE, challenger.as_ref()], &io_network::ID).0
}

/// What challengers of tests commit with.
pub const SALT: [u8; 32] = [0x5a; 32];

/// What a challenger commits to before it writes these bytes.
pub fn commitment(challenger: &Pubkey, bytes: &[u8]) -> Hash {
    evidence_hash::<Software>(&challenger.to_bytes(), &SALT, bytes)
}

impl World {
    pub fn commit_evidence_call(&self, challenger: &Keypair, commitment: Hash) -> Call {
        Call::new(
            accounts::CommitEvidence {
                challenger: challenger.pubkey(),
                evidence: evidence(&challenger.pubkey()),
                system_program: SYSTEM,
            },
            instruction::CommitEvidence { commitment },
            &[challenger],
        )
    }

    pub fn write_evidence_call(&self, challenger: &Keypair, offset: u16, bytes: &[u8]) -> Call {
        Call::new(
            accounts::WriteEvidence {
                challenger: challenger.pubkey(),
                evidence: evidence(&challenger.pubkey()),
            },
            instruction::WriteEvidence {
                offset,
                bytes: bytes.to_vec(),
            },
            &[challenger],
        )
    }

    pub fn close_evidence_call(&self, challenger: &Keypair) -> Call {
        Call::new(
            accounts::CloseEvidence {
                challenger: challenger.pubkey(),
                evidence: evidence(&challenger.pubkey()),
            },
            instruction::CloseEvidence {},
            &[challenger],
        )
    }

    /// Commits to a cell's claim, waits until it can be proven, and writes it.
    pub fn write_claim(&mut self, challenger: &Keypair, cell: &Cell) {
        self.write_bytes(challenger, &cell.bytes());
    }

    /// The same with a claim of any bytes, in as many parts as transactions need.
    pub fn write_bytes(&mut self, challenger: &Keypair, bytes: &[u8]) {
        let commitment = commitment(&challenger.pubkey(), bytes);
        let call = self.commit_evidence_call(challenger, commitment);
        self.ok(&call);
        self.wait_slots(EVIDENCE_SLOTS);
        for (at, part) in bytes.chunks(800).enumerate() {
            let call = self.write_evidence_call(challenger, at as u16 * 800, part);
            self.ok(&call);
        }
    }

    /// What a device's operator signed in this hour.
    pub fn committed(&self, rig: &Rig, cell: &Cell) -> CommitmentStatement {
        cell.statement(self.deployment(), &rig.device, epoch_of(self.now()))
    }

    /// The proof, with the statement signed by `signer`. The claim is written already.
    pub fn prove_bad_cell_call(
        &self,
        challenger: &Keypair,
        rig: &Rig,
        said: &CommitmentStatement,
        signer: &Keypair,
    ) -> Call {
        self.prove_bad_cell_with(
            challenger,
            rig,
            Ed25519::signed(&said.to_bytes(), &[signer]).instruction(),
        )
    }

    pub fn prove_bad_cell_with(
        &self,
        challenger: &Keypair,
        rig: &Rig,
        signature: Instruction,
    ) -> Call {
        let case = world::slash_case(&rig.provider, self.provider(&rig.provider).slash_cases);
        let call = Call::new(
            accounts::ProveBadCell {
                challenger: challenger.pubkey(),
                network: network(),
                evidence: evidence(&challenger.pubkey()),
                device: rig.device,
                provider: rig.provider,
                stake_vault: rig.stake_vault(),
                co_vault: world::co_vault(&rig.provider),
                slash_case: case,
                slash_vault: world::vault(&case),
                io_mint: self.io_mint,
                instructions: INSTRUCTIONS_SYSVAR,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::ProveBadCell { salt: SALT },
            &[challenger],
        );
        call.after(compute_limit(LIMIT)).after(signature)
    }

    /// Takes what a device's fault still costs.
    pub fn open_fault_case_call(&self, rig: &Rig, opener: &Keypair) -> Call {
        let case = world::slash_case(&rig.provider, self.provider(&rig.provider).slash_cases);
        Call::new(
            accounts::OpenFaultCase {
                opener: opener.pubkey(),
                network: network(),
                device: rig.device,
                provider: rig.provider,
                stake_vault: rig.stake_vault(),
                co_vault: world::co_vault(&rig.provider),
                slash_case: case,
                slash_vault: world::vault(&case),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::OpenFaultCase {},
            &[opener],
        )
    }
}
