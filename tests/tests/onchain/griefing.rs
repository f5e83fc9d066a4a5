//! What one party can do to another's job: freeze, close, donate, squat, vanish. Nothing of it traps money or moves it to
//! somebody whom the rules don't name.

use anchor_lang::{prelude::Pubkey, solana_program::system_instruction};
use io_network::{Payee, errors::IoError};
use io_protocol::{messages::Verdict, money::IO};
use io_tests::{
    ASK, At, CLASS_SMALL, Call, FROZEN, IN_USE, Mint, NOT_TOKEN_OWNER, PARAMS, START_IO, Stage,
    UNITS, World, ed25519, reckon, spl, world,
};
use solana_signer::Signer;

fn shares(stage: &Stage) -> reckon::Shares {
    reckon::shares(stage.job().escrow, UNITS, ASK, PARAMS.reserve_bps, 0)
}

/// Burns what is in a token account's way and closes it.
fn close_token_account(
    world: &mut World,
    account: &Pubkey,
    owner: &solana_keypair::Keypair,
    spare: &Pubkey,
) {
    let amount = world.tokens(account);
    world.must(
        &[
            spl::transfer(account, spare, &owner.pubkey(), amount),
            spl::close(account, &owner.pubkey(), &owner.pubkey()),
        ],
        &[owner],
    );
}

/// A provider whose account is frozen blocks nobody's settlement; its pay waits for it, and only for it.
#[test]
fn a_frozen_provider_is_owed() {
    let mut stage = Stage::at(50, At::Submitted);
    let (mint, to) = (stage.world.io_mint, stage.rig.payout.io);
    stage.world.freeze(&mint, &to);
    let shares = shares(&stage);
    stage.settle();
    let job = stage.job();
    assert_eq!(
        (job.owed_provider, job.owed_treasury, job.owed_payer),
        (shares.provider, 0, 0)
    );
    assert_eq!(stage.world.treasury(&mint), shares.treasury);
    assert_eq!(stage.world.tokens(&stage.vault()), shares.provider);

    let stranger = stage.world.party();
    let call = stage
        .world
        .release_owed_call(&stage.key, Payee::Provider, &stranger.key, &to);
    stage.world.refuse(&call, IoError::BadTokenAccount);
    let call =
        stage
            .world
            .release_owed_call(&stage.key, Payee::Provider, &stranger.key, &stranger.io);
    stage.world.refuse(&call, IoError::WrongAccount);
    for thief in [
        stage.world.admin.insecure_clone(),
        stage.payer.key.insecure_clone(),
        stage.rig.authority.key.insecure_clone(),
    ] {
        let call = stage
            .world
            .release_owed_call(&stage.key, Payee::Provider, &thief, &stranger.io);
        stage.world.refuse(&call, IoError::WrongAccount);
    }
    let payer = stage.payer.key.insecure_clone();
    let call = stage.world.close_call(&stage.key, &payer);
    stage.world.refuse(&call, IoError::StillOwed);

    // The payout owner may name another account; or, thawed, anybody delivers.
    let mut redirected = stage.fork();
    let elsewhere = redirected.rig.authority.io;
    let had = redirected.world.tokens(&elsewhere);
    let payout = redirected.rig.payout.key.insecure_clone();
    let call =
        redirected
            .world
            .release_owed_call(&redirected.key, Payee::Provider, &payout, &elsewhere);
    redirected.world.ok(&call);
    assert_eq!(redirected.world.tokens(&elsewhere), had + shares.provider);
    redirected.close();

    stage.world.thaw(&mint, &to);
    let call = stage
        .world
        .release_owed_call(&stage.key, Payee::Provider, &stranger.key, &to);
    stage.world.ok(&call);
    assert_eq!(stage.world.tokens(&to), shares.provider);
    stage.world.refuse(&call, IoError::NothingOwed);
    stage.close();
}

/// The same for a payer whose account is closed, on every way that refunds.
#[test]
fn a_closed_payer_account_is_owed() {
    for at in [
        At::Settled,
        At::Rejected,
        At::Cancelled,
        At::ExpiredOpen,
        At::ExpiredRunning,
        At::ExpiredDisputed,
    ] {
        let mut stage = match at {
            At::Settled | At::Rejected => Stage::at(51, At::Submitted),
            At::Cancelled | At::ExpiredOpen => Stage::at(51, At::Open),
            At::ExpiredRunning => Stage::at(51, At::Running),
            _ => Stage::at(51, At::Disputed),
        };
        let (payer, account, spare) = (
            stage.payer.key.insecure_clone(),
            stage.payer.io,
            stage.renter.io,
        );
        close_token_account(&mut stage.world, &account, &payer, &spare);
        match at {
            At::Settled => stage.settle(),
            At::Rejected => stage.reject(),
            At::Cancelled => stage.cancel(),
            _ => stage.expire(),
        }
        let job = stage.job();
        assert!(job.refunded > 0 && job.owed_payer == job.refunded, "{at:?}");
        assert_eq!(stage.world.tokens(&stage.vault()), job.refunded, "{at:?}");
        let stranger = stage.world.party();
        for (thief, to) in [
            (&stranger.key, &stranger.io),
            (&stage.renter.key.insecure_clone(), &stage.renter.io.clone()),
        ] {
            let call = stage
                .world
                .release_owed_call(&stage.key, Payee::Payer, thief, to);
            stage.world.refuse(&call, IoError::WrongAccount);
        }
        let call = stage
            .world
            .release_owed_call(&stage.key, Payee::Payer, &payer, &spare);
        let had = stage.world.tokens(&spare);
        stage.world.ok(&call);
        assert_eq!(stage.world.tokens(&spare), had + job.refunded, "{at:?}");
    }
}

/// All three payees are out of reach: nothing is paid, everything is owed, each is served alone.
#[test]
fn each_share_waits_for_its_own_payee() {
    let mut stage = Stage::at(52, At::Submitted);
    let mint = stage.world.io_mint;
    let treasury = stage.job().treasury;
    for account in [stage.rig.payout.io, stage.payer.io, treasury] {
        stage.world.freeze(&mint, &account);
    }
    let shares = shares(&stage);
    stage.settle();
    let job = stage.job();
    assert_eq!(
        (job.owed_provider, job.owed_treasury, job.owed_payer),
        (shares.provider, shares.treasury, shares.payer)
    );
    assert_eq!(stage.world.tokens(&stage.vault()), job.escrow);
    let stranger = stage.world.party();
    let vault = stage.vault();
    for payee in [Payee::Provider, Payee::Treasury, Payee::Payer] {
        let call = stage
            .world
            .release_owed_call(&stage.key, payee, &stranger.key, &stranger.io);
        stage.world.refuse(&call, IoError::WrongAccount);
        let call = stage
            .world
            .release_owed_call(&stage.key, payee, &stranger.key, &vault);
        stage.world.refuse(&call, IoError::SameAccount);
    }
    // A payee cannot ask for another's share: its word opens its own only.
    let payer = stage.payer.key.insecure_clone();
    for payee in [Payee::Provider, Payee::Treasury] {
        let call = stage
            .world
            .release_owed_call(&stage.key, payee, &payer, &stranger.io);
        stage.world.refuse(&call, IoError::WrongAccount);
    }
    let admin = stage.world.admin.insecure_clone();
    for payee in [Payee::Provider, Payee::Payer] {
        let call = stage
            .world
            .release_owed_call(&stage.key, payee, &admin, &stranger.io);
        stage.world.refuse(&call, IoError::WrongAccount);
    }
    for (account, payee, amount) in [
        (stage.payer.io, Payee::Payer, shares.payer),
        (treasury, Payee::Treasury, shares.treasury),
        (stage.rig.payout.io, Payee::Provider, shares.provider),
    ] {
        stage.world.thaw(&mint, &account);
        let had = stage.world.tokens(&account);
        let call = stage
            .world
            .release_owed_call(&stage.key, payee, &stranger.key, &account);
        stage.world.ok(&call);
        assert_eq!(stage.world.tokens(&account), had + amount);
        stage.world.refuse(&call, IoError::NothingOwed);
    }
    assert_eq!(stage.world.tokens(&vault), 0);
}

/// An account closed and opened again under another mint receives nothing, and breaks nothing.
#[test]
fn a_payees_account_of_another_mint_is_owed() {
    let mut stage = Stage::at(53, At::Open);
    let payee = stage.world.keys.keypair();
    let (io, usd, owner) = (
        stage.world.io_mint,
        stage.world.usd_mint,
        stage.rig.payout.key.insecure_clone(),
    );
    stage.world.open_token_account(&payee, &io, &owner.pubkey());
    let mut call =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 30);
    call.instruction.accounts[6].pubkey = payee.pubkey();
    stage.world.ok(&call);
    stage.submit(UNITS);
    let spare = stage.rig.payout.io;
    close_token_account(&mut stage.world, &payee.pubkey(), &owner, &spare);
    stage
        .world
        .open_token_account(&payee, &usd, &owner.pubkey());
    let shares = shares(&stage);
    stage.settle();
    assert_eq!(stage.job().owed_provider, shares.provider);
    let call = stage
        .world
        .release_owed_call(&stage.key, Payee::Provider, &owner, &payee.pubkey());
    stage.world.refuse(&call, IoError::WrongMint);
    let call = stage
        .world
        .release_owed_call(&stage.key, Payee::Provider, &owner, &spare);
    stage.world.ok(&call);
    assert_eq!(stage.world.tokens(&spare), shares.provider);
}

/// The mint's own freezing of a vault stops tokens, not people: the job ends, the device is free, all shares are owed.
#[test]
fn a_frozen_vault_binds_nobody() {
    let start = Stage::at(54, At::Submitted);
    for settle in [true, false] {
        let mut stage = start.fork();
        let (mint, vault) = (stage.world.io_mint, stage.vault());
        stage.world.freeze(&mint, &vault);
        match settle {
            true => stage.settle(),
            false => stage.reject(),
        }
        let job = stage.job();
        assert_eq!(
            job.owed_provider + job.owed_treasury + job.owed_payer,
            job.escrow
        );
        assert_eq!(stage.world.device(&stage.rig.device).exposure, 0);
        let payer = stage.payer.clone();
        let call = stage
            .world
            .release_owed_call(&stage.key, Payee::Payer, &payer.key, &payer.io);
        stage.world.refuse(&call, FROZEN);
        stage.world.thaw(&mint, &vault);
        stage.world.ok(&call);
        assert_eq!(
            stage.world.tokens(&payer.io),
            START_IO - job.escrow + job.refunded
        );
    }
}

/// What is added to a vault after the job has ended goes to the payer when it is closed.
#[test]
fn late_donations_go_to_the_payer() {
    let mut stage = Stage::at(55, At::Settled);
    let (mint, vault, to) = (stage.world.io_mint, stage.vault(), stage.payer.io);
    stage.world.donate(&mint, &vault, 5);
    let had = stage.world.tokens(&to);
    // A donation, and a refund account that is gone, together: the payer names another.
    let mut gone = stage.fork();
    let (payer, spare) = (gone.payer.key.insecure_clone(), gone.renter.io);
    close_token_account(&mut gone.world, &to, &payer, &spare);
    let renter = gone.renter.key.insecure_clone();
    let call = gone.world.close_call(&gone.key, &renter);
    gone.world.refuse(&call, IoError::BadTokenAccount);
    let call = gone.world.close_to_call(&gone.key, &payer, &vault);
    gone.world.refuse(&call, IoError::SameAccount);
    let before = gone.world.tokens(&spare);
    let call = gone.world.close_to_call(&gone.key, &payer, &spare);
    gone.world.ok(&call);
    assert_eq!(gone.world.tokens(&spare), before + 5);

    stage.close();
    assert_eq!(stage.world.tokens(&to), had + 5);
}

/// Money that somebody adds changes no date and no state.
#[test]
fn a_top_up_resets_no_clock() {
    let mut stage = Stage::at(56, At::Submitted);
    let before = stage.job();
    let (mint, vault, stake_vault) = (stage.world.io_mint, stage.vault(), stage.rig.stake_vault());
    stage.world.advance(100);
    stage.world.donate(&mint, &vault, 1);
    stage.world.donate(&mint, &stake_vault, 1);
    assert_eq!(stage.job(), before);
    stage.world.check_books();
    // A stake and a second request leave the first one's date alone.
    let rig = stage.rig.clone();
    for call in [
        stage.world.stake_call(&rig, 10),
        stage.world.request_unstake_call(&rig, 4),
    ] {
        stage.world.ok(&call);
    }
    let first = stage.world.provider(&rig.provider).unbonding[0];
    stage.world.advance(1_000);
    for call in [
        stage.world.stake_call(&rig, 10),
        stage.world.request_unstake_call(&rig, 5),
    ] {
        stage.world.ok(&call);
    }
    let provider = stage.world.provider(&rig.provider);
    assert_eq!(provider.unbonding[0], first);
    assert_eq!(provider.unbonding[1].ready_at, first.ready_at + 1_000);
    // Nor can what was given to the stake vault be taken out of it.
    let call = stage.world.request_unstake_call(&rig, 11 + 1);
    stage.world.refuse(&call, IoError::StakeNotFree);
}

/// Lamports at an address before its account is created hinder nothing, and come back with the rent.
#[test]
fn prefunded_addresses_can_be_created() {
    for lamports in [890_880, 50_000_000] {
        let mut w = World::bare(57);
        let network = w.initialize_network_call(PARAMS, 2);
        prefund(&mut w, &network, &[1, 2], lamports);
        let class = w.add_class_call(world::class_args(CLASS_SMALL, 125));
        prefund(&mut w, &class, &[2], lamports);
        let mint = w.io_mint;
        let payment = w.add_payment_mint_call(&mint, world::payment_args(Mint::Io));
        prefund(&mut w, &payment, &[3], lamports);
        for shard in 0..16 {
            let call = w.init_treasury_shard_call(&mint, shard);
            prefund(&mut w, &call, &[4], lamports);
        }
        let rig = w.unregistered_rig(CLASS_SMALL);
        let call = w.register_provider_call(&rig);
        prefund(&mut w, &call, &[2, 3], lamports);
        let call = w.stake_call(&rig, 1_000 * IO);
        w.ok(&call);
        let call = w.register_device_call(&rig, 1_000 * IO);
        prefund(&mut w, &call, &[4], lamports);
        w.attest(&rig);
        let mut stage = Stage::with(w, rig, Mint::Io);
        let payer = stage.payer.pubkey();
        let had = stage.world.lamports(&payer);
        let call =
            stage
                .world
                .create_job_call(&stage.renter.key, &stage.payer, Mint::Io, stage.terms);
        prefund(&mut stage.world, &call, &[5, 6], lamports);
        assert_eq!(stage.world.tokens(&stage.vault()), stage.job().escrow);
        stage.accept(ASK);
        stage.expire();
        let opener = stage.world.person();
        let call = stage
            .world
            .open_slash_case_call(&stage.key, &stage.rig, &opener);
        prefund(&mut stage.world, &call, &[6, 7], lamports);
        stage.close();
        assert!(
            stage.world.lamports(&payer) >= had,
            "the payer lost nothing of its rent"
        );
    }
}

fn prefund(world: &mut World, call: &Call, accounts: &[usize], lamports: u64) {
    let from = world.fee_payer.insecure_clone();
    for index in accounts {
        let to = call.instruction.accounts[*index].pubkey;
        world.must(
            &[system_instruction::transfer(&from.pubkey(), &to, lamports)],
            &[],
        );
    }
    world.ok(call);
    for index in accounts {
        let account = world
            .account(&call.instruction.accounts[*index].pubkey)
            .expect("created");
        assert!(
            account.lamports
                >= world
                    .svm
                    .minimum_balance_for_rent_exemption(account.data.len())
        );
        assert_ne!(account.owner, world::SYSTEM);
    }
}

/// Rent that rises or falls between creation and the end: the payer gets what lay in the accounts.
#[test]
fn rent_may_change_on_the_way() {
    for per_byte in [1u64, 100_000] {
        let mut stage = Stage::at(58, At::Submitted);
        let rent = Pubkey::from_str_const("SysvarRent111111111111111111111111111111111");
        let mut account = stage.world.account(&rent).expect("the rent sysvar");
        account.data[..8].copy_from_slice(&per_byte.to_le_bytes());
        stage.world.write(&rent, account);
        stage.settle();
        let (payer, held) = (
            stage.payer.pubkey(),
            stage.world.lamports(&stage.key) + stage.world.lamports(&stage.vault()),
        );
        let had = stage.world.lamports(&payer);
        stage.close();
        assert_eq!(stage.world.lamports(&payer), had + held);
        // And the next job pays the new rent.
        stage.terms.nonce += 1;
        stage.key = world::job(&stage.renter.pubkey(), stage.terms.nonce);
        stage.create();
        let space = stage.world.account(&stage.key).unwrap().data.len();
        assert_eq!(
            stage.world.lamports(&stage.key),
            stage.world.svm.minimum_balance_for_rent_exemption(space)
        );
    }
}

/// A job closed and created again under the same nonce is another job: nothing signed for the first is worth anything.
#[test]
fn a_recreated_job_is_another_job() {
    let mut stage = Stage::at(59, At::Submitted);
    let old_settlement = stage.world.settle_call(&stage.key, &[0, 1]);
    let old_rejection = stage.world.reject_call(&stage.key, &[0, 1]);
    let first = stage.job();
    stage.settle();
    stage.close();
    stage.world.advance(1);
    stage.create();
    // The same ticket, too, for the same device.
    let expires = stage.world.now() + 30;
    let statement = io_protocol::messages::TicketStatement {
        created_slot: first.created_slot,
        ..stage
            .world
            .ticket_statement(&stage.key, &stage.rig, ASK, expires)
    };
    let mut accept = stage
        .world
        .accept_with_ticket_call(&stage.key, &stage.rig, ASK, expires);
    accept.before = vec![ed25519::signed(
        &statement.to_bytes(),
        &stage.world.oracle_keys(&[0]),
    )];
    stage.world.refuse(&accept, IoError::WrongMessage);
    stage.accept(ASK);
    stage.submit(UNITS);
    let second = stage.job();
    assert_eq!(
        (first.output_hash, first.units),
        (second.output_hash, second.units),
        "else the test shows nothing"
    );
    assert_ne!(first.created_slot, second.created_slot);
    stage.world.refuse(&old_settlement, IoError::WrongMessage);
    stage.world.refuse(&old_rejection, IoError::WrongMessage);
    assert_eq!(
        stage
            .world
            .result_statement(&stage.key, Verdict::Valid)
            .created_slot,
        second.created_slot
    );
    stage.settle();
}

/// Two jobs at one address never share a slot of creation: a job cannot be closed in the slot it was created in.
#[test]
fn a_job_outlives_its_slot_of_creation() {
    let mut stage = Stage::empty(60, Mint::Io);
    stage.create();
    stage.cancel();
    let payer = stage.payer.key.insecure_clone();
    let call = stage.world.close_call(&stage.key, &payer);
    stage.world.refuse(&call, IoError::RetentionNotOver);
    stage.world.advance(0);
    stage.world.ok(&call);
}

/// Closing, refunding the lamports in the same transaction, and using the account again.
#[test]
fn a_closed_job_stays_closed() {
    let mut stage = Stage::at(61, At::Cancelled);
    let payer = stage.payer.key.insecure_clone();
    let close = stage.world.close_call(&stage.key, &payer);
    let again = stage.world.cancel_call(&stage.key, &stage.renter.key);
    let refund = system_instruction::transfer(&payer.pubkey(), &stage.key, 20_000_000);
    let instructions = [
        close.instruction.clone(),
        refund.clone(),
        close.instruction.clone(),
    ];
    let failed = stage
        .world
        .send(&instructions, &[&payer], 2)
        .expect_err("closed twice");
    assert!(
        failed.is(anchor_lang::error::ErrorCode::AccountOwnedByWrongProgram.into()),
        "{:?}",
        failed.error
    );
    let instructions = [
        close.instruction.clone(),
        refund.clone(),
        again.instruction.clone(),
    ];
    let renter = stage.renter.key.insecure_clone();
    let failed = stage
        .world
        .send(&instructions, &[&payer, &renter], 2)
        .expect_err("cancelled after closing");
    assert!(
        failed.is(anchor_lang::error::ErrorCode::AccountOwnedByWrongProgram.into()),
        "{:?}",
        failed.error
    );

    // Created again in that transaction it is an open job like any other, with its own escrow.
    let mut create =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, Mint::Io, stage.terms);
    create.before = vec![close.instruction, refund];
    stage.world.ok(&create);
    assert_eq!(stage.job().state, io_network::state::JobState::Open as u8);
    assert_eq!(stage.world.tokens(&stage.vault()), stage.job().escrow);
}

/// A retired device that gets its lamports back is no device.
#[test]
fn a_retired_device_stays_retired() {
    let mut stage = Stage::empty(62, Mint::Io);
    let (authority, rig) = (stage.rig.authority.key.insecure_clone(), stage.rig.clone());
    stage.world.until_answered(&rig);
    let retire = stage.world.retire_device_call(&stage.rig);
    let refund = system_instruction::transfer(&authority.pubkey(), &stage.rig.device, 20_000_000);
    let bond = stage.world.set_device_bond_call(&stage.rig, 1);
    let instructions = [retire.instruction.clone(), refund, bond.instruction];
    let failed = stage
        .world
        .send(&instructions, &[&authority], 2)
        .expect_err("used after it was retired");
    assert!(
        failed.is(anchor_lang::error::ErrorCode::AccountOwnedByWrongProgram.into()),
        "{:?}",
        failed.error
    );
}

/// One piece of hardware is one account: the second to register it is refused, whoever it is.
#[test]
fn hardware_is_registered_once() {
    let mut stage = Stage::empty(63, Mint::Io);
    let other = stage.world.rig(CLASS_SMALL, 1_000 * IO);
    let squatter = io_tests::Rig {
        hardware: stage.rig.hardware,
        device: stage.rig.device,
        ..other
    };
    let call = stage.world.stake_call(&squatter, 1_000 * IO);
    stage.world.ok(&call);
    let call = stage.world.register_device_call(&squatter, 1_000 * IO);
    stage.world.refuse(&call, IN_USE);
}

/// Accepting and vanishing, again and again, costs a penalty each time, until the bond doesn't reach for another job.
#[test]
fn vanishing_again_and_again_ends() {
    let mut w = World::new(64);
    let bond = reckon::minimum_bond(PARAMS.min_bond, 125);
    let rig = w.rig(CLASS_SMALL, bond + 20 * IO);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 100 * IO;
    let mut times = 0u64;
    loop {
        stage.terms.nonce += 1;
        stage.terms.deadline = stage.world.now() + 3_600;
        stage.key = world::job(&stage.renter.pubkey(), stage.terms.nonce);
        stage.create();
        let rig = stage.rig.clone();
        stage.world.advance(1);
        stage.world.attest(&rig);
        let call =
            stage
                .world
                .accept_with_ticket_call(&stage.key, &rig, 100 * IO, stage.world.now() + 30);
        if stage.world.device(&rig.device).bond < bond {
            stage.world.refuse(&call, IoError::BondTooSmall);
            break;
        }
        stage.world.ok(&call);
        stage.expire();
        times += 1;
        assert_eq!(stage.job().penalty_due, 10 * IO);
        assert_eq!(
            stage.world.tokens(&stage.payer.io),
            START_IO - stage.job().escrow + stage.job().refunded
        );
        assert!(times < 10, "the penalties must end it");
    }
    assert_eq!(times, 3);
    assert_eq!(stage.world.device(&stage.rig.device).failed, 3);
    // A renter who asks for a record refuses it.
    assert!(
        stage.world.device(&stage.rig.device).reputation_bps(
            &stage.world.provider(&stage.rig.provider),
            stage.world.now()
        ) < 2_100
    );
}

/// Asking nothing does not make it free: exposure is that of a quarter of the job's price at least.
#[test]
fn vanishing_at_an_ask_of_nothing_ends_too() {
    let mut w = World::new(66);
    let bond = reckon::minimum_bond(PARAMS.min_bond, 125);
    let rig = w.rig(CLASS_SMALL, bond + 6 * IO);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 100 * IO;
    let mut times = 0u64;
    loop {
        stage.terms.nonce += 1;
        stage.terms.deadline = stage.world.now() + 3_600;
        stage.key = world::job(&stage.renter.pubkey(), stage.terms.nonce);
        stage.world.advance(1);
        stage.create();
        let rig = stage.rig.clone();
        stage.world.attest(&rig);
        // In the match window and after it.
        let call = if times.is_multiple_of(2) {
            stage
                .world
                .accept_with_ticket_call(&stage.key, &rig, 0, stage.world.now() + 30)
        } else {
            stage.world.at(stage.job().match_until + 1);
            stage.world.accept_call(&stage.key, &rig, 0)
        };
        if stage.world.device(&rig.device).bond < bond {
            stage.world.refuse(&call, IoError::BondTooSmall);
            break;
        }
        stage.world.ok(&call);
        assert_eq!(stage.job().exposure, 25 * IO);
        stage.expire();
        times += 1;
        assert_eq!(stage.job().penalty_due, 25 * IO / 10);
        assert!(times < 10, "the penalties must end it");
    }
    assert_eq!(times, 3);
}

/// A cheap device of the least bond takes what a dear one of the same bond could not: a quarter of the price binds, not all.
#[test]
fn honest_cheap_devices_can_still_accept() {
    let mut w = World::new(67);
    let bond = reckon::minimum_bond(PARAMS.min_bond, 125);
    let rig = w.rig(CLASS_SMALL, bond);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 4 * bond;
    stage.create();
    let dear = stage.world.accept_with_ticket_call(
        &stage.key,
        &stage.rig,
        bond + 1,
        stage.world.now() + 30,
    );
    stage.world.refuse(&dear, IoError::ExposureExceedsBond);
    stage.accept(bond / 1_000);
    assert_eq!(stage.job().exposure, bond);
    stage.submit(1_000);
    stage.settle();
}

/// Bait and switch: matched for the lowest ask, a device cannot accept at the job's highest price.
#[test]
fn a_ticket_binds_the_ask_it_was_given_for() {
    let mut stage = Stage::at(68, At::Open);
    let expires = stage.world.now() + 30;
    let ticket = stage
        .world
        .ticket_statement(&stage.key, &stage.rig, ASK, expires);
    for ask in [stage.terms.max_price, ASK + 1, ASK - 1, 0] {
        let mut accept = stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ask, expires);
        accept.before = vec![ed25519::signed(
            &ticket.to_bytes(),
            &stage.world.oracle_keys(&[0]),
        )];
        stage.world.refuse(&accept, IoError::WrongMessage);
    }
    stage.accept(ASK);
    assert_eq!(stage.job().ask, ASK);
}

/// A device's signature is for the job that it looked at: one created at the same address since, with worse terms, is refused.
#[test]
fn an_acceptance_is_for_one_job() {
    let mut stage = Stage::at(69, At::Open);
    stage.world.at(stage.job().match_until + 1);
    let accept = stage.world.accept_call(&stage.key, &stage.rig, ASK);
    stage.cancel();
    stage.close();
    stage.world.advance(1);
    stage.terms.max_run_seconds = 1;
    stage.terms.deadline = stage.world.now() + 3_600;
    stage.create();
    stage.world.at(stage.job().match_until + 1);
    let rig = stage.rig.clone();
    stage.world.attest(&rig);
    stage.world.refuse(&accept, IoError::AnotherJob);
    let accept = stage.world.accept_call(&stage.key, &stage.rig, ASK);
    stage.world.ok(&accept);
}

/// Jobs that pay nothing make no record: only what was paid for counts as completed.
#[test]
fn unpaid_jobs_make_no_record() {
    let mut stage = Stage::empty(75, Mint::Io);
    stage.terms.max_units = 999;
    stage.terms.max_price = 1;
    stage.create();
    stage.accept(1);
    stage.submit(999);
    let before = stage.world.device(&stage.rig.device);
    stage.settle();
    assert_eq!(stage.job().paid, 0, "999 units at 1 for a thousand");
    let after = stage.world.device(&stage.rig.device);
    assert_eq!((after.completed, after.volume), (0, 0));
    assert_eq!(after.record, before.record);
}

/// The smallest job there is: it costs its renter rent until it is closed, and nobody else anything.
#[test]
fn dust_jobs_cost_only_their_payer() {
    let mut stage = Stage::empty(65, Mint::Io);
    stage.terms.max_units = 1;
    stage.terms.max_price = 1;
    stage.create();
    assert_eq!(
        stage.job().escrow,
        2,
        "one base unit and its fee, rounded up"
    );
    stage.accept(1);
    stage.submit(1);
    stage.settle();
    assert_eq!(
        (stage.job().paid, stage.job().fees, stage.job().refunded),
        (0, 0, 2)
    );
    let device = stage.world.device(&stage.rig.device);
    assert_eq!(
        (device.open_jobs, device.exposure, device.volume),
        (0, 0, 0)
    );
}

/// An escrow is paid from the payer's own account, with the payer's own signature.
#[test]
fn nobody_pays_with_another_account() {
    let stage = Stage::empty(66, Mint::Io);
    let mut delegated = stage.fork();
    let (payer, renter) = (
        delegated.payer.key.insecure_clone(),
        delegated.renter.pubkey(),
    );
    // Even a delegate of the payer: the account must be the payer's who signs.
    delegated.world.must(
        &[spl::approve(
            &stage.payer.io,
            &renter,
            &payer.pubkey(),
            u64::MAX,
        )],
        &[&payer],
    );
    let mut call = delegated.world.create_job_call(
        &delegated.renter.key,
        &delegated.renter,
        Mint::Io,
        delegated.terms,
    );
    call.instruction.accounts[7].pubkey = stage.payer.io;
    delegated.world.refuse(&call, IoError::WrongOwner);
    // Stake, too: the token program refuses another's account.
    let mut other = stage.fork();
    let mut call = other.world.stake_call(&other.rig, 5);
    call.instruction.accounts[4].pubkey = other.payer.io;
    other.world.refuse(&call, NOT_TOKEN_OWNER);
}

/// A refund account that its owner hands on, or lets somebody close, harms only its owner.
#[test]
fn a_payees_account_with_other_authorities_harms_nobody_else() {
    let mut stage = Stage::at(67, At::Submitted);
    let stranger = stage.world.person();
    let payer = stage.payer.key.insecure_clone();
    let account = stage.payer.io;
    stage.world.must(
        &[
            spl::set_authority(
                &account,
                spl::Authority::Close,
                &stranger.pubkey(),
                &payer.pubkey(),
            ),
            spl::set_authority(
                &account,
                spl::Authority::Owner,
                &stranger.pubkey(),
                &payer.pubkey(),
            ),
        ],
        &[&payer],
    );
    let (shares, had) = (shares(&stage), stage.world.tokens(&account));
    stage.settle();
    assert_eq!(
        stage.world.tokens(&account),
        had + shares.payer,
        "where it was agreed to go"
    );
    assert_eq!(stage.world.tokens(&stage.rig.payout.io), shares.provider);
    stage.close();
}
