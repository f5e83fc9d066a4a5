use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::*,
    errors::IoError,
    events::{log_snapshot, DeviceClassChanged},
    guard, instruction, seeds,
    state::{DeviceClass, Network, Proposal},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassArgs {
    pub id: u16,
    /// UTF-8, zero-padded.
    pub name: [u8; 32],
    pub multiplier_e2: u32,
    pub min_tops_e2: u32,
    pub min_memory_mib: u32,
    /// Int8 TOPS in hundredths that rewards measure performance by; 0 for none.
    pub norm_tops_e2: u32,
    /// 0 community, 1 enterprise.
    pub group: u8,
    /// Least and highest reference price of a device-hour, IO base units; both 0 for none.
    pub price_floor: u64,
    pub price_ceiling: u64,
    /// The reference price to start with; 0 keeps the present one. Brought inside the bounds.
    pub reference_price: u64,
}

#[derive(Accounts)]
#[instruction(args: ClassArgs)]
pub struct AddClass<'info> {
    /// Administrator or parameters role. Pays the rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::CLASS, &args.id.to_le_bytes()], bump)]
    pub class: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

fn write(class: &mut DeviceClass, address: &Pubkey, args: &ClassArgs) -> Result<()> {
    require!(args.id != ANY_CLASS, IoError::ParameterOutOfBounds);
    require!(
        (1..=MAX_MULTIPLIER_E2).contains(&args.multiplier_e2),
        IoError::ParameterOutOfBounds
    );
    require!(args.group <= 1, IoError::ParameterOutOfBounds);
    class.id = args.id;
    class.name = args.name;
    class.multiplier_e2 = args.multiplier_e2;
    class.min_tops_e2 = args.min_tops_e2;
    class.min_memory_mib = args.min_memory_mib;
    class.norm_tops_e2 = args.norm_tops_e2;
    class.group = args.group;
    require!(
        args.price_floor <= args.price_ceiling,
        IoError::ParameterOutOfBounds
    );
    class.price_floor = args.price_floor;
    class.price_ceiling = args.price_ceiling;
    if args.reference_price > 0 {
        class.reference_price = args.reference_price;
    }
    class.reference_price = class
        .reference_price
        .clamp(args.price_floor, args.price_ceiling);
    log_snapshot::<DeviceClassChanged, _>(Some(address), None, class);
    Ok(())
}

/// admin, proposal: by `guard` · network: the only account of its type · class: created here at its PDA · system_program: by
/// type.
pub fn add_class(ctx: Context<AddClass>, args: ClassArgs) -> Result<()> {
    let a = ctx.accounts;
    let call = instruction::AddClass { args };
    guard::authorise(&a.network, &a.admin, &a.proposal, &a.class.key(), &call)?;
    let seeds: &[&[u8]] = &[seeds::CLASS, &args.id.to_le_bytes(), &[ctx.bumps.class]];
    let mut class =
        Creator::new(&a.admin, &a.system_program)?.create::<DeviceClass>(&a.class, seeds)?;
    class.bump = ctx.bumps.class;
    class.version = VERSION;
    write(&mut class, &a.class.key(), &args)
}

#[derive(Accounts)]
pub struct UpdateClass<'info> {
    /// Administrator or parameters role. Receives a used proposal's rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub class: AccountLoader<'info, DeviceClass>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// admin, proposal: by `guard` · network: the only account of its type · class: the one that the arguments name.
pub fn update_class(ctx: Context<UpdateClass>, args: ClassArgs) -> Result<()> {
    let a = ctx.accounts;
    require!(a.class.load()?.id == args.id, IoError::WrongAccount);
    let call = instruction::UpdateClass { args };
    guard::authorise(&a.network, &a.admin, &a.proposal, &a.class.key(), &call)?;
    let mut class = a.class.load_mut()?;
    write(&mut class, &a.class.key(), &args)
}
