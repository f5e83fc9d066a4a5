//! The money rules once more, worked out apart from the code under test: exact fractions, rounded as the design says.

/// `a / b`, rounded up.
fn up(a: u128, b: u128) -> u64 {
    u64::try_from(a / b + u128::from(!a.is_multiple_of(b))).expect("the amount fits")
}

fn down(a: u128, b: u128) -> u64 {
    u64::try_from(a / b).expect("the amount fits")
}

/// The most that `units` can cost at `price` for a thousand.
pub fn most(units: u64, price: u64) -> u64 {
    up(u128::from(units) * u128::from(price), 1_000)
}

/// A fee.
pub fn fee(amount: u64, bps: u16) -> u64 {
    up(u128::from(amount) * u128::from(bps), 10_000)
}

/// A penalty.
pub fn penalty(exposure: u64, bps: u16) -> u64 {
    down(u128::from(exposure) * u128::from(bps), 10_000)
}

/// What a job escrows: the most it can cost, with both of the renter's fees on top.
pub fn escrow(units: u64, price: u64, reserve_bps: u16, mint_bps: u16) -> u64 {
    let most = most(units, price);
    most + fee(most, reserve_bps + mint_bps)
}

/// What a device could gain, in IO: at its ask, or at a quarter of the highest price if that is more.
pub fn exposure(units: u64, ask: u64, max_price: u64, io_per_unit_e9: u64) -> u64 {
    let price = ask.max(up(max_price.into(), 4));
    up(
        u128::from(most(units, price)) * u128::from(io_per_unit_e9),
        1_000_000_000,
    )
}

/// Where a settled vault goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub provider: u64,
    pub treasury: u64,
    pub payer: u64,
}

/// Divides a vault of `balance`: the provider is paid for its units (rounded down) less its fee, the treasury gets both
/// sides' fees (rounded up), the payer the rest.
pub fn shares(balance: u64, units: u64, ask: u64, reserve_bps: u16, mint_bps: u16) -> Shares {
    shares_at(balance, units, ask, reserve_bps, reserve_bps, mint_bps)
}

/// The same for a provider whose side of the reservation fee is less, by its reputation.
pub fn shares_at(
    balance: u64,
    units: u64,
    ask: u64,
    reserve_bps: u16,
    provider_bps: u16,
    mint_bps: u16,
) -> Shares {
    let payment = down(u128::from(units) * u128::from(ask), 1_000);
    let from_renter = fee(payment, reserve_bps + mint_bps);
    let from_provider = fee(payment, provider_bps);
    Shares {
        provider: payment - from_provider,
        treasury: from_renter + from_provider,
        payer: balance - payment - from_renter,
    }
}

/// A deposit's share of what is left of an escrow: the fraction up to its end less the fraction up to its start, each
/// rounded down.
pub fn deposit_share(refund: u64, start: u64, amount: u64, funded: u64) -> u64 {
    let up_to = |point: u64| down(u128::from(refund) * u128::from(point), funded.into());
    up_to(start + amount) - up_to(start)
}

/// Least bond of a device.
pub fn minimum_bond(base: u64, multiplier_e2: u32) -> u64 {
    up(u128::from(base) * u128::from(multiplier_e2.max(100)), 100)
}
