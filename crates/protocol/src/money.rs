//! Money arithmetic. Amounts are `u64` base units of one mint (IO has 8 decimals: 1 IO = 10⁸ base units);
//! products are taken in `u128`. A function's name or text says which way it rounds.
//!
//! Work is counted in *units* whose meaning the engine defines (one passage, 10⁶ fuel). Prices are quoted per
//! 1,000 units ("per kilo-unit"), so that a cheap unit still has an exact price.

/// Decimals of the IO mint.
pub const IO_DECIMALS: u8 = 8;
/// Base units in one IO.
pub const IO: u64 = 100_000_000;
/// Units that a quoted price covers.
pub const UNITS_PER_PRICE: u64 = 1_000;
/// Basis points in a whole.
pub const BPS: u64 = 10_000;
/// Billionths: the scale of `io_per_unit_e9` exchange weights.
pub const E9: u128 = 1_000_000_000;

/// What went wrong in a computation. The program maps it to its own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyError {
    /// The result does not fit `u64`.
    Overflow,
}

fn to_u64(x: u128) -> Result<u64, MoneyError> {
    u64::try_from(x).map_err(|_| MoneyError::Overflow)
}

/// What `units` cost at `price` base units per 1,000 units, rounded **down**: what a provider is paid.
pub fn payment_floor(units: u64, price: u64) -> Result<u64, MoneyError> {
    to_u64(units as u128 * price as u128 / UNITS_PER_PRICE as u128)
}

/// What `units` cost at `price` base units per 1,000 units, rounded **up**: what an escrow must hold.
pub fn payment_ceil(units: u64, price: u64) -> Result<u64, MoneyError> {
    to_u64((units as u128 * price as u128).div_ceil(UNITS_PER_PRICE as u128))
}

/// `bps` basis points of `amount`, rounded **up** (a fee; in favour of the vault).
pub fn fee_ceil(amount: u64, bps: u16) -> Result<u64, MoneyError> {
    to_u64((amount as u128 * bps as u128).div_ceil(BPS as u128))
}

/// `bps` basis points of `amount`, rounded **down** (a penalty).
pub fn share_floor(amount: u64, bps: u16) -> Result<u64, MoneyError> {
    to_u64(amount as u128 * bps as u128 / BPS as u128)
}

/// The fees a job was created with. They stay what they were when the renter signed, whatever is changed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FeeTerms {
    /// Reservation fee in basis points, the renter's side.
    pub reserve_bps: u16,
    /// The provider's side of it: less for a good reputation, never more.
    pub provider_bps: u16,
    /// The payment mint's own fee in basis points, paid by the renter on top.
    pub payment_bps: u16,
}

impl FeeTerms {
    /// Basis points that the renter pays on top of the payment.
    pub fn renter_bps(&self) -> u16 {
        self.reserve_bps.saturating_add(self.payment_bps)
    }
}

/// The most a job can cost: `max_units` at `max_price`, plus the renter's fees. This is what is escrowed.
pub fn escrow_for(max_units: u64, max_price: u64, fees: FeeTerms) -> Result<u64, MoneyError> {
    let most = payment_ceil(max_units, max_price)?;
    most.checked_add(fee_ceil(most, fees.renter_bps())?)
        .ok_or(MoneyError::Overflow)
}

/// Where a settled escrow goes. The three always add up to the vault's balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Split {
    /// To the provider: the payment less its reservation fee.
    pub provider: u64,
    /// To the treasury: both sides' fees.
    pub treasury: u64,
    /// Back to the payer: everything else, including what anybody added to the vault.
    pub payer: u64,
}

/// Splits a vault holding `balance` for `units` of verified work at the accepted `ask`.
///
/// Never pays out more than `balance`: with `units ≤ max_units` and `ask ≤ max_price` the payment and the fees fit
/// the escrow by construction; if a vault holds less (it cannot, by the program's rules) the error says so.
pub fn split_settlement(
    balance: u64,
    units: u64,
    ask: u64,
    fees: FeeTerms,
) -> Result<Split, MoneyError> {
    let payment = payment_floor(units, ask)?;
    let renter_fee = fee_ceil(payment, fees.renter_bps())?;
    let provider_fee = fee_ceil(payment, fees.provider_bps)?.min(payment);
    let payer = balance
        .checked_sub(payment)
        .and_then(|rest| rest.checked_sub(renter_fee))
        .ok_or(MoneyError::Overflow)?;
    Ok(Split {
        provider: payment - provider_fee,
        treasury: renter_fee + provider_fee,
        payer,
    })
}

/// What a provider could gain by cheating in a job, in IO base units, rounded **up**: the most it can be paid,
/// weighed by the mint's `io_per_unit_e9` (IO base units per 10⁹ payment base units).
pub fn exposure_ceil(max_payment: u64, io_per_unit_e9: u64) -> Result<u64, MoneyError> {
    to_u64((max_payment as u128 * io_per_unit_e9 as u128).div_ceil(E9))
}

/// A device's exposure is reckoned at one in this many of the job's highest price, at least.
pub const EXPOSURE_SHARE: u64 = 4;

/// The price that exposure is reckoned at: the ask, but at least a quarter of the job's highest price, rounded **up**.
///
/// By asking next to nothing a device would otherwise stake next to nothing on keeping its word. A quarter keeps cheap devices
/// in: whoever can take a job at its highest price has four times the bond that it takes at a quarter of it and below.
pub fn exposure_price(ask: u64, max_price: u64) -> u64 {
    ask.max(max_price.div_ceil(EXPOSURE_SHARE))
}

/// A price in IO as a price in a payment mint, rounded **up**: a provider never takes less than it asks. `io_per_unit_e9` is
/// the mint's weight.
pub fn price_in_mint_ceil(io_price: u64, io_per_unit_e9: u64) -> Result<u64, MoneyError> {
    if io_per_unit_e9 == 0 {
        return Err(MoneyError::Overflow);
    }
    to_u64((io_price as u128 * E9).div_ceil(io_per_unit_e9 as u128))
}

/// The least stake for a device of a class: `base × max(1, multiplier)`, where the class multiplier is given in
/// hundredths (H100 = 1000). Rounded **up**.
pub fn minimum_bond(base: u64, multiplier_e2: u32) -> Result<u64, MoneyError> {
    to_u64((base as u128 * multiplier_e2.max(100) as u128).div_ceil(100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn worked_example() {
        // 1,200 passages at 0.5 IO per 1,000, reservation 0.25 % a side.
        let fees = FeeTerms {
            reserve_bps: 25,
            provider_bps: 25,
            payment_bps: 0,
        };
        let escrow = escrow_for(1_200, IO / 2, fees).unwrap();
        assert_eq!(escrow, 60_000_000 + 150_000);
        let split = split_settlement(escrow, 1_000, IO / 2, fees).unwrap();
        assert_eq!(
            split,
            Split {
                provider: 50_000_000 - 125_000,
                treasury: 250_000,
                payer: 10_025_000
            }
        );
    }

    #[test]
    fn an_ask_of_nothing_is_exposed_too() {
        assert_eq!(exposure_price(0, 1_001), 251);
        assert_eq!(exposure_price(250, 1_001), 251);
        assert_eq!(exposure_price(252, 1_001), 252);
        assert_eq!(exposure_price(1_001, 1_001), 1_001);
        assert_eq!(exposure_price(0, 1), 1);
        assert_eq!(exposure_price(0, u64::MAX), 1 << 62);
    }

    #[test]
    fn a_bond_is_never_below_the_base() {
        assert_eq!(minimum_bond(200 * IO, 25), Ok(200 * IO));
        assert_eq!(minimum_bond(200 * IO, 100), Ok(200 * IO));
        assert_eq!(minimum_bond(200 * IO, 3_000), Ok(6_000 * IO));
    }

    #[test]
    fn penalties_and_exposures_by_hand() {
        assert_eq!(share_floor(10_001, 3_333), Ok(3_333));
        assert_eq!(share_floor(9_999, 1), Ok(0));
        assert_eq!(share_floor(u64::MAX, 10_000), Ok(u64::MAX));
        assert_eq!(exposure_ceil(7, 1_000_000_000), Ok(7));
        assert_eq!(exposure_ceil(3, 2_500_000_000), Ok(8));
        assert_eq!(exposure_ceil(1, 1), Ok(1));
        assert_eq!(exposure_ceil(0, u64::MAX), Ok(0));
        assert_eq!(
            exposure_ceil(u64::MAX, 1_000_000_001),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn io_itself_is_worth_itself() {
        assert_eq!(price_in_mint_ceil(5, 1_000_000_000), Ok(5));
        // A base unit worth 20 IO base units; 50 IO units cost 2.5 of it, so 3.
        assert_eq!(price_in_mint_ceil(50, 20_000_000_000), Ok(3));
        assert_eq!(price_in_mint_ceil(u64::MAX, 1), Err(MoneyError::Overflow));
        assert_eq!(price_in_mint_ceil(1, 0), Err(MoneyError::Overflow));
    }

    proptest! {
        #[test]
        fn a_converted_price_is_never_worth_less(price in 0u64..1 << 50, weight in 1u64..1 << 50) {
            if let Ok(converted) = price_in_mint_ceil(price, weight) {
                let (price, weight) = (u128::from(price), u128::from(weight));
                prop_assert!(u128::from(converted) * weight >= price * E9);
                prop_assert!(u128::from(converted.saturating_sub(1)) * weight < price * E9 || price == 0);
            }
        }

        #[test]
        fn penalties_are_rounded_down_and_exposures_up(amount: u64, bps in 0u16..=10_000, weight in 0u64..1 << 32) {
            let share = u128::from(share_floor(amount, bps).unwrap());
            let exact = u128::from(amount) * u128::from(bps);
            prop_assert!(share * 10_000 <= exact && exact < (share + 1) * 10_000);
            if let Ok(exposure) = exposure_ceil(amount, weight) {
                let exact = u128::from(amount) * u128::from(weight);
                prop_assert!(u128::from(exposure) * E9 >= exact);
                prop_assert!(exposure == 0 || u128::from(exposure - 1) * E9 < exact);
            }
        }

        #[test]
        fn an_escrow_always_covers_its_settlement(
            max_units in 0u64..1 << 40, max_price in 0u64..1 << 40, u in 0.0f64..=1.0, p in 0.0f64..=1.0,
            reserve in 0u16..=1_000, provider in 0u16..=1_000, payment in 0u16..=1_000, donated in 0u64..1 << 30,
        ) {
            let fees = FeeTerms { reserve_bps: reserve, provider_bps: provider, payment_bps: payment };
            let Ok(escrow) = escrow_for(max_units, max_price, fees) else { return Ok(()) };
            let Some(balance) = escrow.checked_add(donated) else { return Ok(()) };
            let units = ((max_units as f64 * u) as u64).min(max_units);
            let ask = ((max_price as f64 * p) as u64).min(max_price);
            let s = split_settlement(balance, units, ask, fees).unwrap();
            prop_assert_eq!(s.provider as u128 + s.treasury as u128 + s.payer as u128, balance as u128);
            prop_assert!(s.payer >= donated);
        }

        #[test]
        fn rounding_favours_the_vault(units: u64, price: u64, bps in 0u16..=10_000) {
            if let (Ok(lo), Ok(hi)) = (payment_floor(units, price), payment_ceil(units, price)) {
                prop_assert!(lo <= hi && hi - lo <= 1);
                let exact = units as u128 * price as u128;
                prop_assert!(lo as u128 * 1_000 <= exact && hi as u128 * 1_000 >= exact);
                let fee = fee_ceil(lo, bps).unwrap();
                prop_assert!(fee as u128 * 10_000 >= lo as u128 * bps as u128);
                prop_assert!(fee <= lo);
                prop_assert!(share_floor(lo, bps).unwrap() <= fee);
            }
        }

        #[test]
        fn overflow_is_an_error_not_a_wrap(units in u64::MAX / 2.., price in 4_000u64..) {
            prop_assert_eq!(payment_floor(units, price), Err(MoneyError::Overflow));
        }
    }
}
