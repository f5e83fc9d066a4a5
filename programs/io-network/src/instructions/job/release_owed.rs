use crate::prelude::*;

use crate::{
    errors::IoError,
    events::job_changed,
    instructions::job::invoke_as_job,
    state::{Job, Network, Provider},
    token::{self, Batch},
};

/// To whom something is owed.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payee {
    Provider,
    Treasury,
    Payer,
}

#[derive(Accounts)]
pub struct ReleaseOwed<'info> {
    /// The payee (the payout owner, the treasury's owner, the payer), who may name any account; or anybody, who can only
    /// deliver to the account that was fixed.
    pub signer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    /// The job's provider, when the provider is paid.
    pub provider: Option<AccountLoader<'info, Provider>>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// CHECK: the job's vault, checked in `validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: a usable account of the job's mint, checked in `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl ReleaseOwed<'_> {
    /// signer: the payee, or anybody if the destination is the fixed one · network: the only account of its type · provider: the
    /// job's, if the provider redirects · job: final, or a lease · vault: the job's own · destination: usable, of the mint, not the vault ·
    /// token_program: by address.
    fn validate(&self, payee: Payee) -> Result<()> {
        let job = self.job.load()?;
        // A lease pays while it runs.
        require!(
            job.state()?.is_final() || job.is_lease(),
            IoError::WrongState
        );
        require_keys_eq!(job.vault, self.vault.key(), IoError::WrongAccount);
        require_keys_neq!(job.vault, self.destination.key(), IoError::SameAccount);
        token::require_usable(&self.destination, &job.mint)?;
        let (fixed, owner) = match payee {
            Payee::Payer => (job.payer_token, job.payer),
            Payee::Treasury => (job.treasury, self.network.load()?.treasury_owner),
            Payee::Provider => {
                let provider = self
                    .provider
                    .as_ref()
                    .ok_or_else(|| error!(IoError::WrongAccount))?;
                require_keys_eq!(job.provider, provider.key(), IoError::WrongAccount);
                let owner = provider.load()?.payout_owner;
                (job.provider_token, owner)
            }
        };
        let allowed = self.destination.key() == fixed || self.signer.key() == owner;
        require!(allowed, IoError::WrongAccount);
        Ok(())
    }
}

pub fn release_owed(ctx: Context<ReleaseOwed>, payee: Payee) -> Result<()> {
    let a = ctx.accounts;
    a.validate(payee)?;
    let (state, amount) = {
        let mut job = a.job.load_mut()?;
        let owed = match payee {
            Payee::Provider => &mut job.owed_provider,
            Payee::Treasury => &mut job.owed_treasury,
            Payee::Payer => &mut job.owed_payer,
        };
        let amount = core::mem::take(owed);
        require!(amount > 0, IoError::NothingOwed);
        job.invariant()?;
        (job.state()?, amount)
    };
    let mut batch = Batch::new();
    batch.transfer(&a.vault, &a.destination, a.job.as_ref(), amount);
    invoke_as_job(&a.job, &a.token_program, batch)?;
    job_changed(&a.job.key(), state, &*a.job.load()?);
    Ok(())
}
