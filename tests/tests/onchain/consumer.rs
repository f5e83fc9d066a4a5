//! The example integrator on the same machine: a program whose own account rents through CPI.

use anchor_lang::{
    AccountDeserialize, InstructionData, ToAccountMetas, error::ErrorCode, prelude::Pubkey,
};
use io_consumer::{ConsumerError, Desk};
use io_network::{
    errors::IoError,
    state::{JobState, JobTerms},
    token::TOKEN_PROGRAM,
};
use io_tests::{
    ASK, Call, Mint, OUTPUT, Party, Refusal, START_IO, Stage, UNITS, artifacts,
    world::{self, SYSTEM},
};
use solana_account::Account;
use solana_instruction::Instruction;

fn call(
    accounts: impl ToAccountMetas,
    arguments: impl InstructionData,
    signer: Option<&Party>,
) -> Call {
    Call {
        before: Vec::new(),
        instruction: Instruction {
            program_id: io_consumer::ID,
            accounts: accounts.to_account_metas(None),
            data: arguments.data(),
        },
        signers: signer.iter().map(|p| p.key.insecure_clone()).collect(),
    }
}

fn desk(user: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[io_consumer::DESK, user.as_ref()], &io_consumer::ID).0
}

/// A stage whose job belongs to a desk: the stage's payer is the desk's user.
pub struct Office {
    pub stage: Stage,
    desk: Pubkey,
    terms: JobTerms,
}

impl Office {
    fn new(seed: u64) -> Self {
        Self::with(Stage::empty(seed, Mint::Io))
    }

    pub fn with(mut stage: Stage) -> Self {
        stage
            .world
            .svm
            .add_program(io_consumer::ID, &artifacts::program("io_consumer"))
            .expect("the program loads");
        let (desk, terms) = (desk(&stage.payer.pubkey()), stage.terms);
        stage.key = world::job(&desk, terms.nonce);
        let mut office = Self { stage, desk, terms };
        let open = office.open_call(&office.stage.payer.clone());
        office.run(&open);
        office
    }

    pub fn choose_nonce(&mut self) {
        self.stage.choose_nonce(&self.desk);
        self.terms = self.stage.terms;
    }

    fn open_call(&self, user: &Party) -> Call {
        let accounts = io_consumer::accounts::OpenDesk {
            user: user.pubkey(),
            desk: desk(&user.pubkey()),
            system_program: SYSTEM,
        };
        call(accounts, io_consumer::instruction::OpenDesk {}, Some(user))
    }

    pub fn request_call(&self, user: &Party) -> Call {
        let mint = self.stage.world.io_mint;
        let accounts = io_consumer::accounts::RequestJob {
            user: user.pubkey(),
            desk: self.desk,
            network: world::network(),
            payment: world::payment(&mint),
            mint,
            job: self.stage.key,
            vault: self.stage.vault(),
            payer_token: user.io,
            token_program: TOKEN_PROGRAM,
            system_program: SYSTEM,
            io_network: io_network::ID,
        };
        call(
            accounts,
            io_consumer::instruction::RequestJob { terms: self.terms },
            Some(user),
        )
    }

    fn withdraw_call(&self, user: &Party) -> Call {
        let accounts = io_consumer::accounts::WithdrawJob {
            user: user.pubkey(),
            desk: self.desk,
            job: self.stage.key,
            vault: self.stage.vault(),
            payer_token: self.stage.payer.io,
            token_program: TOKEN_PROGRAM,
            io_network: io_network::ID,
        };
        call(
            accounts,
            io_consumer::instruction::WithdrawJob {},
            Some(user),
        )
    }

    fn take_call(&self, job: &Pubkey) -> Call {
        let accounts = io_consumer::accounts::TakeResult {
            desk: self.desk,
            job: *job,
        };
        call(accounts, io_consumer::instruction::TakeResult {}, None)
    }

    #[track_caller]
    fn run(&mut self, call: &Call) {
        self.stage.world.ok(call);
    }

    #[track_caller]
    fn refuse(&mut self, call: &Call, expected: impl Into<Refusal>) {
        self.stage.world.refuse(call, expected);
    }

    fn desk_state(&self) -> Desk {
        let account = self.stage.world.account(&self.desk).expect("a desk");
        Desk::try_deserialize(&mut account.data.as_slice()).expect("a desk")
    }
}

fn consumer(e: ConsumerError) -> Refusal {
    Refusal::Code(e.into())
}

/// A program's account rents: the job is the desk's, the money the user's, the result reaches the desk.
#[test]
fn a_program_rents() {
    let mut office = Office::new(180);
    let request = office.request_call(&office.stage.payer.clone());
    office.run(&request);
    let job = office.stage.job();
    assert_eq!(
        (job.renter, job.payer),
        (office.desk, office.stage.payer.pubkey())
    );
    assert_eq!(office.desk_state().jobs, 1);
    let take = office.take_call(&office.stage.key);
    office.refuse(&take, consumer(ConsumerError::NotSettled));
    office.stage.accept(ASK);
    office.stage.submit(UNITS);
    office.refuse(&take, consumer(ConsumerError::NotSettled));
    office.stage.settle();
    office.run(&take);
    let desk = office.desk_state();
    assert_eq!(
        (desk.last_result, desk.last_spec),
        (OUTPUT, office.terms.spec_hash)
    );
    assert_eq!(
        office.stage.world.tokens(&office.stage.payer.io),
        START_IO - job.escrow + office.stage.job().refunded
    );
}

/// Old results stay settled: brought again, they roll the desk's newest one back no more.
#[test]
fn a_desk_keeps_the_newest_result() {
    let mut office = Office::new(184);
    let user = office.stage.payer.clone();
    let mut takes = Vec::new();
    for nonce in [1, 2] {
        office.terms.nonce = nonce;
        office.terms.spec_hash = [nonce as u8; 32];
        office.terms.deadline = office.stage.world.now() + 7_200;
        office.stage.key = world::job(&office.desk, nonce);
        let request = office.request_call(&user);
        office.run(&request);
        office.stage.world.advance(1);
        office.stage.accept(ASK);
        office.stage.submit(UNITS);
        office.stage.settle();
        let take = office.take_call(&office.stage.key);
        office.run(&take);
        takes.push(take);
        office.stage.world.advance(1);
    }
    assert_eq!(office.desk_state().last_spec, [2; 32]);
    for take in &takes {
        office.refuse(take, consumer(ConsumerError::NotNewer));
    }
    assert_eq!(office.desk_state().last_spec, [2; 32]);
}

#[test]
fn a_program_takes_its_job_back() {
    let mut office = Office::new(181);
    let user = office.stage.payer.clone();
    let request = office.request_call(&user);
    office.run(&request);
    // Neither another user nor the desk's address without its program's signature.
    let stranger = office.stage.renter.clone();
    let withdraw = office.withdraw_call(&stranger);
    office.refuse(&withdraw, ErrorCode::ConstraintHasOne);
    let withdraw = office.withdraw_call(&user);
    office.run(&withdraw);
    assert_eq!(office.stage.job().state, JobState::Cancelled as u8);
    assert_eq!(office.stage.world.tokens(&user.io), START_IO);
    office.refuse(&withdraw, IoError::WrongState);
}

/// A desk serves its own user only, and pays with that user's own account only.
#[test]
fn a_desk_is_its_users() {
    let mut office = Office::new(182);
    let stranger = office.stage.renter.clone();
    let request = office.request_call(&stranger);
    office.refuse(&request, ErrorCode::ConstraintHasOne);
    let user = office.stage.payer.clone();
    let mut with_others_money = office.request_call(&user);
    with_others_money.instruction.accounts[7].pubkey = stranger.io;
    office.refuse(&with_others_money, IoError::WrongOwner);
    // A false network program: the desk's signature is for the real one.
    let mut false_program = office.request_call(&user);
    false_program.instruction.accounts[10].pubkey = TOKEN_PROGRAM;
    office.refuse(&false_program, ErrorCode::InvalidProgramId);
}

/// Results are taken from the desk's own settled jobs: not another renter's, not a look-alike's.
#[test]
fn a_desk_takes_its_own_results() {
    let mut office = Office::new(183);
    let mut other = office.stage.fork();
    other.terms.nonce = 9;
    other.key = world::job(&other.renter.pubkey(), 9);
    other.create();
    other.accept(ASK);
    other.submit(UNITS);
    other.settle();
    let theirs = other.key;
    office.stage.world = other.world;
    let take = office.take_call(&theirs);
    office.refuse(&take, consumer(ConsumerError::NotOurJob));
    let original = office.stage.world.account(&theirs).unwrap();
    let forged = office.stage.world.keys.pubkey();
    office.stage.world.write(
        &forged,
        Account {
            owner: io_consumer::ID,
            ..original
        },
    );
    let take = office.take_call(&forged);
    office.refuse(&take, ErrorCode::AccountOwnedByWrongProgram);
}
