//! Fees reach the treasury, the treasury burns, pays its owner and buys IO back, and nothing else moves its money.

use io_network::{BuyBackArgs, errors::IoError};
use io_protocol::{
    buyback,
    messages::{EPOCH_SECONDS, epoch_of},
    money::IO,
};
use io_tests::{
    At, Mint, NOT_TOKEN_OWNER, PARAMS, Party, Stage, USD, World,
    treasury::{BUY_BACK, treasury_main},
    world,
};
use solana_signer::Signer;

fn supply(w: &World) -> u64 {
    let mint = w.account(&w.io_mint).expect("the mint");
    u64::from_le_bytes(mint.data[36..44].try_into().expect("eight bytes"))
}

/// A network whose treasury has `amount` of a mint in its main account.
fn with_main(seed: u64, mint: Mint, amount: u64) -> World {
    let mut w = World::new(seed);
    let key = w.mint(mint);
    let call = w.init_treasury_main_call(&key);
    w.ok(&call);
    if amount > 0 {
        w.mint_to(&key, &world::treasury_shard(&key, 7), amount);
        let call = w.sweep_call(&key, &[7]);
        w.ok(&call);
    }
    w
}

#[test]
fn fees_are_swept_and_a_share_of_io_is_burned() {
    let mut stage = Stage::at(720, At::Settled);
    let fees = stage.job().fees;
    let mint = stage.world.io_mint;
    let w = &mut stage.world;
    let shard = stage.key.as_ref()[0] % 16;
    let call = w.init_treasury_main_call(&mint);
    w.ok(&call);
    let (before, lamports) = (supply(w), w.lamports(&world::treasury_shard(&mint, shard)));
    let call = w.sweep_call(&mint, &[shard]);
    w.ok(&call);
    let burned = fees / 2;
    assert!(fees > 1);
    assert_eq!(PARAMS.burn_bps, 5_000);
    assert_eq!(supply(w), before - burned);
    assert_eq!(w.tokens(&treasury_main(&mint)), fees - burned);
    let payment = w.payment(&world::payment(&mint));
    assert_eq!((payment.swept, payment.burned), (fees, burned));
    assert_eq!(
        w.lamports(&world::treasury_shard(&mint, shard)),
        lamports,
        "a sweep leaves the rent"
    );
    w.refuse(&call, IoError::ZeroAmount);
}

#[test]
fn nothing_but_io_is_burned() {
    let w = with_main(721, Mint::Usd, 999);
    assert_eq!(w.tokens(&treasury_main(&w.usd_mint)), 999);
    let payment = w.payment(&world::payment(&w.usd_mint));
    assert_eq!((payment.swept, payment.burned), (999, 0));
    // And of IO what the parameters say.
    for (bps, burned) in [(0, 0), (1, 0), (3_333, 332), (10_000, 999)] {
        let mut w = w.fork();
        let mint = w.io_mint;
        let params = io_network::state::NetworkParams {
            burn_bps: bps,
            ..PARAMS
        };
        for call in [
            w.update_params_call(params),
            w.init_treasury_main_call(&mint),
        ] {
            w.ok(&call);
        }
        w.mint_to(&mint, &world::treasury_shard(&mint, 0), 999);
        let call = w.sweep_call(&mint, &[0]);
        w.ok(&call);
        assert_eq!(w.payment(&world::payment(&mint)).burned, burned);
    }
}

#[test]
fn all_shards_are_swept_at_once() {
    let mut w = World::new(722);
    let mint = w.usd_mint;
    let call = w.init_treasury_main_call(&mint);
    w.ok(&call);
    for shard in 0..16 {
        w.mint_to(
            &mint,
            &world::treasury_shard(&mint, shard),
            u64::from(shard),
        );
    }
    let all: Vec<u8> = (0..16).collect();
    let call = w.sweep_call(&mint, &all);
    let done = w.ok(&call);
    assert!(done.units < 60_000, "{}", done.units);
    assert_eq!(w.tokens(&treasury_main(&mint)), 120);
    assert_eq!(w.treasury(&mint), 0);
}

#[test]
fn only_the_treasurys_own_shards_are_swept_each_once() {
    let mut w = with_main(723, Mint::Usd, 0);
    let (usd, io) = (w.usd_mint, w.io_mint);
    w.mint_to(&usd, &world::treasury_shard(&usd, 0), 5);
    w.mint_to(&io, &world::treasury_shard(&io, 0), 5);
    let call = w.sweep_call(&usd, &[0, 0]);
    w.refuse(&call, IoError::SameAccount);
    let call = w.sweep_call(&usd, &[]);
    w.refuse(&call, IoError::WrongAccount);
    let victim = w.party();
    for foreign in [
        victim.usd,
        world::treasury_shard(&io, 0),
        treasury_main(&usd),
        world::network(),
    ] {
        let mut call = w.sweep_call(&usd, &[0]);
        let last = call.instruction.accounts.len() - 1;
        call.instruction.accounts[last].pubkey = foreign;
        w.refuse(&call, IoError::WrongAccount);
    }
    // A frozen shard is left out; the others go on.
    w.freeze(&usd, &world::treasury_shard(&usd, 0));
    w.mint_to(&usd, &world::treasury_shard(&usd, 1), 7);
    let call = w.sweep_call(&usd, &[0, 1]);
    w.refuse(&call, IoError::BadTokenAccount);
    let call = w.sweep_call(&usd, &[1]);
    w.ok(&call);
}

#[test]
fn a_mints_main_account_is_made_once() {
    let mut w = with_main(724, Mint::Usd, 0);
    let call = w.init_treasury_main_call(&w.usd_mint);
    w.refuse(&call, IoError::SameAccount);
}

#[test]
fn the_treasury_pays_its_recorded_owner_and_nobody_else() {
    let mut w = with_main(725, Mint::Usd, 1_000);
    let (mint, owner, thief) = (w.usd_mint, w.party_with(0, 0), w.party_with(0, 0));
    // No owner yet: nobody's account will do.
    let call = w.withdraw_treasury_call(&mint, &owner.usd, 10);
    w.refuse(&call, IoError::WrongOwner);
    let call = w.set_treasury_owner_call(&owner.pubkey());
    w.ok(&call);
    let call = w.withdraw_treasury_call(&mint, &thief.usd, 10);
    w.refuse(&call, IoError::WrongOwner);
    let call = w.withdraw_treasury_call(&mint, &owner.io, 10);
    w.refuse(&call, IoError::WrongMint);
    let call = w.withdraw_treasury_call(&mint, &owner.usd, 0);
    w.refuse(&call, IoError::ZeroAmount);
    let call = w.withdraw_treasury_call(&mint, &owner.usd, 1_001);
    w.refuse(&call, IoError::TreasuryTooSmall);
    for amount in [1, 999] {
        let call = w.withdraw_treasury_call(&mint, &owner.usd, amount);
        w.ok(&call);
    }
    assert_eq!(w.tokens(&owner.usd), 1_000);
    assert_eq!(w.payment(&world::payment(&mint)).withdrawn, 1_000);
    // The treasury's own account is no way out of the books.
    let call = w.set_treasury_owner_call(&world::network());
    w.ok(&call);
    let call = w.withdraw_treasury_call(&mint, &treasury_main(&mint), 1);
    w.refuse(&call, IoError::SameAccount);
}

/// A share owed to a frozen shard goes to the shard, or where the treasury's owner says: not the administrator.
#[test]
fn what_the_treasury_is_owed_is_not_the_administrators() {
    let mut stage = Stage::at(726, At::Submitted);
    let treasury = stage.job().treasury;
    let mint = stage.world.io_mint;
    stage.world.freeze(&mint, &treasury);
    stage.settle();
    assert!(stage.job().owed_treasury > 0);
    let w = &mut stage.world;
    let (admin, owner) = (w.admin.insecure_clone(), w.party_with(0, 0));
    let theirs = w.token_account(&mint, &admin.pubkey(), 0);
    let payee = io_network::Payee::Treasury;
    let call = w.release_owed_call(&stage.key, payee, &admin, &theirs);
    w.refuse(&call, IoError::WrongAccount);
    let call = w.set_treasury_owner_call(&owner.pubkey());
    w.ok(&call);
    let call = w.release_owed_call(&stage.key, payee, &admin, &theirs);
    w.refuse(&call, IoError::WrongAccount);
    let call = w.release_owed_call(&stage.key, payee, &owner.key, &owner.io);
    w.ok(&call);
}

fn market(seed: u64) -> (World, Party) {
    let mut w = with_main(seed, Mint::Usd, 10_000 * USD);
    let call = w.set_buy_back_call(&w.usd_mint, BUY_BACK);
    w.ok(&call);
    let seller = w.party();
    // The first second of an hour.
    let next = (epoch_of(w.now()) as i64 + 1) * EPOCH_SECONDS;
    w.at(next);
    (w, seller)
}

#[test]
fn io_is_bought_at_the_rising_price_and_burned() {
    let (mut w, seller) = market(727);
    let start = w.now();
    let (mut sold, mut paid) = (0, 0);
    for (after, price) in [
        (0, 20_000_000),
        (1, 20_005_557),
        (1_800, 30_002_778),
        (3_599, 40_000_000),
    ] {
        w.at(start + after);
        assert_eq!(w.buy_back(&w.usd_mint).price_at(w.now()), price);
        let (before, io, usd) = (supply(&w), w.tokens(&seller.io), w.tokens(&seller.usd));
        let amount = 3 * IO + 7;
        let out = buyback::payout_floor(amount, price).unwrap();
        let call = w.sell_call(&seller, amount, out + 1);
        w.refuse(&call, IoError::PriceTooLow);
        let call = w.sell_call(&seller, amount, out);
        w.ok(&call);
        assert_eq!(supply(&w), before - amount);
        assert_eq!(w.tokens(&seller.io), io - amount);
        assert_eq!(w.tokens(&seller.usd), usd + out);
        (sold, paid) = (sold + amount, paid + out);
    }
    let rule = w.buy_back(&w.usd_mint);
    assert_eq!((rule.burned, rule.paid, rule.spent), (sold, paid, paid));
    assert_eq!(w.payment(&world::payment(&w.usd_mint)).bought, paid);
    // A new hour, a new budget, the low price again.
    w.at(start + 3_600);
    let call = w.sell_call(&seller, IO, 2 * USD);
    w.ok(&call);
    assert_eq!(w.buy_back(&w.usd_mint).spent, 2 * USD);
}

#[test]
fn an_hours_budget_is_kept() {
    let (mut w, seller) = market(728);
    let all = 500 * IO;
    let call = w.sell_call(&seller, all + 50, 0);
    w.refuse(&call, IoError::BudgetSpent);
    let call = w.sell_call(&seller, all, 0);
    w.ok(&call);
    let call = w.sell_call(&seller, 50, 0);
    w.refuse(&call, IoError::BudgetSpent);
    let call = w.sell_call(&seller, 49, 0);
    w.refuse(&call, IoError::ZeroAmount);
    // Another rule does not give this hour a second budget.
    let call = w.set_buy_back_call(&w.usd_mint, BUY_BACK);
    w.ok(&call);
    let call = w.sell_call(&seller, 50, 0);
    w.refuse(&call, IoError::BudgetSpent);
    w.advance(3_600);
    w.ok(&call);
}

#[test]
fn a_rule_is_inside_its_bounds_and_never_for_io() {
    let mut w = with_main(729, Mint::Usd, 0);
    let (usd, io) = (w.usd_mint, w.io_mint);
    for (floor_price, ceiling_price) in [(0, 1), (2, 1)] {
        let call = w.set_buy_back_call(
            &usd,
            BuyBackArgs {
                floor_price,
                ceiling_price,
                ..BUY_BACK
            },
        );
        w.refuse(&call, IoError::ParameterOutOfBounds);
    }
    let call = w.set_buy_back_call(&io, BUY_BACK);
    w.refuse(&call, IoError::WrongMint);
}

#[test]
fn nobody_sells_what_is_not_theirs_or_when_nothing_is_bought() {
    let (mut w, seller) = market(730);
    let victim = w.party();
    let mut call = w.sell_call(&seller, IO, 0);
    call.instruction.accounts[5].pubkey = victim.io;
    w.refuse(&call, NOT_TOKEN_OWNER);
    let call = w.sell_call(&seller, 0, 0);
    w.refuse(&call, IoError::ZeroAmount);
    let call = w.sell_call(&seller, IO, 0);
    let pause = w.set_paused_call(true);
    let mut paused = w.fork();
    paused.ok(&pause);
    paused.refuse(&call, IoError::Paused);
    let off = w.set_buy_back_call(
        &w.usd_mint,
        BuyBackArgs {
            enabled: false,
            ..BUY_BACK
        },
    );
    w.ok(&off);
    w.refuse(&call, IoError::NoBuyBack);
    // An empty treasury buys nothing.
    let mut poor = with_main(731, Mint::Usd, USD);
    let rule = poor.set_buy_back_call(&poor.usd_mint, BUY_BACK);
    poor.ok(&rule);
    let seller = poor.party();
    let call = poor.sell_call(&seller, IO, 0);
    poor.refuse(&call, IoError::TreasuryTooSmall);
}

/// What strangers put into the treasury's account is no budget, and no book changes.
#[test]
fn donations_to_the_treasury_change_nothing() {
    let mut w = with_main(732, Mint::Usd, 100);
    let mint = w.usd_mint;
    w.donate(&mint, &treasury_main(&mint), 55);
    let owner = w.party_with(0, 0);
    for call in [
        w.set_treasury_owner_call(&owner.pubkey()),
        w.withdraw_treasury_call(&mint, &owner.usd, 100),
    ] {
        w.ok(&call);
    }
    assert_eq!(w.main_balance(Mint::Usd), 0);
    let call = w.withdraw_treasury_call(&mint, &owner.usd, 55);
    w.refuse(&call, IoError::TreasuryTooSmall);
}
