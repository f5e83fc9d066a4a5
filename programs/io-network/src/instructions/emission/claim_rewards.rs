use crate::prelude::*;
use io_protocol::rewards::{self, Leaf};

use crate::{
    errors::{IoError, MoneyResult},
    events::{log_snapshot, provider_changed, EmissionChanged},
    seeds,
    state::{Emission, Provider},
    token::{self, Batch},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct ClaimRewardsArgs {
    /// What the provider's leaf says it earned since genesis, IO base units.
    pub cumulative: u64,
    /// Position of the leaf.
    pub index: u32,
    /// Hashes beside the way from the leaf to the root, from below; at most 24.
    pub proof: Vec<[u8; 32]>,
}

#[derive(Accounts)]
pub struct ClaimRewards<'info> {
    /// The provider's authority or payout owner, who may choose the account; or anybody, who can only deliver to the payout
    /// owner's associated token account.
    pub signer: Signer<'info>,
    #[account(mut)]
    pub emission: AccountLoader<'info, Emission>,
    /// CHECK: the reward vault recorded in the emission, checked in `validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `validate`; it need not be there.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
    /// CHECK: a usable IO account of the payout owner, checked in `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

/// SHA-256 by system call.
struct Syscall;

impl rewards::Sha256 for Syscall {
    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        solana_sha256_hasher::hashv(parts).to_bytes()
    }
}

impl ClaimRewards<'_> {
    /// signer: anybody · emission: the only account of its type · vault: recorded in the emission · provider: named by the leaf that
    /// the proof is of · co_vault: the provider's PDA, if it has co-stakers, else unused · destination: usable, of IO, the payout
    /// owner's; for a stranger only the associated one · token_program: by address. The vault is its own PDA's, so it can't be
    /// the destination.
    fn validate(&self, args: &ClaimRewardsArgs) -> Result<()> {
        let emission = self.emission.load()?;
        require_keys_eq!(emission.vault, self.vault.key(), IoError::WrongAccount);
        let provider = self.provider.load()?;
        // Without co-stakers nothing goes there: deriving its address would be an eighth of the whole claim.
        if provider.co_shares > 0 {
            provider.require_co_vault(&self.provider.key(), self.co_vault.key)?;
        }
        let to = token::require_usable(&self.destination, &emission.mint)?;
        require_keys_eq!(to.owner, provider.payout_owner, IoError::WrongAccount);
        let signer = self.signer.key();
        if signer != provider.authority && signer != provider.payout_owner {
            let fixed = token::associated_address(&provider.payout_owner, &emission.mint);
            require_keys_eq!(fixed, self.destination.key(), IoError::WrongAccount);
        }
        let leaf = Leaf {
            provider: self.provider.key().to_bytes(),
            cumulative: args.cumulative,
        };
        let hash = leaf.hash::<Syscall>(&crate::ID.to_bytes());
        let reached = rewards::root_of::<Syscall>(hash, args.index, &args.proof);
        require!(reached == Some(emission.root), IoError::BadProof);
        Ok(())
    }
}

pub fn claim_rewards(ctx: Context<ClaimRewards>, args: ClaimRewardsArgs) -> Result<()> {
    let a = ctx.accounts;
    a.validate(&args)?;
    let mut batch = Batch::new();
    let bump = {
        let mut provider = a.provider.load_mut()?;
        let mut emission = a.emission.load_mut()?;
        let amount = args.cumulative.saturating_sub(provider.claimed);
        require!(amount > 0, IoError::NothingToClaim);
        provider.claimed = args.cumulative;
        emission.claimed = emission.claimed.checked_add(amount).or_overflow()?;
        let until = emission.calendar().ends_at(emission.root_epoch);
        let (own, pool) = provider.divide_reward(amount, until)?;
        emission.invariant()?;
        provider.invariant()?;
        batch.transfer(&a.vault, &a.destination, a.emission.as_ref(), own);
        batch.transfer(&a.vault, &a.co_vault, a.emission.as_ref(), pool);
        provider_changed(&a.provider.key(), &provider);
        log_snapshot::<EmissionChanged, _>(None, None, &*emission);
        emission.bump
    };
    batch.invoke(&a.token_program, &[&[seeds::EMISSION, &[bump]]])
}
