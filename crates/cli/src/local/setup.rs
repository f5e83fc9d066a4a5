//! What a local network's chain is given: mints, network, oracles, classes, a provider with devices, funded wallets.

use std::path::PathBuf;

use io_client::{
    Instruction, Pubkey, Request, Sender, Wallet,
    instructions::{
        self, InitializeEmissionArgs, InitializeNetworkArgs, NetworkParams, PaymentMintArgs,
        RegisterDeviceArgs, StakeParams, VestingArgs,
    },
    io_network::constants::TREASURY_SHARDS,
    pda, tokens,
};
use io_protocol::emission::ALLOCATIONS;
use io_protocol::money::{E9, IO, IO_DECIMALS, minimum_bond};
use io_worker::{config::DeviceSelection, devices};
use tokio::task::JoinSet;

use super::{QUORUM, children::Chain, classes};
use crate::{
    commands::network::default_params,
    context::Context,
    failure::{Failure, Result},
};

/// Decimals and base units of the second payment mint.
const USDC_DECIMALS: u8 = 6;
const USDC: u64 = 1_000_000;
/// What the renter and the provider start with: 100,000 of each.
const START: u64 = 100_000;
/// Stake bound to each device above its class's minimum: room for several dear jobs.
const BOND_FACTOR: u64 = 5;
/// A dollar in IO on this network, for the weight of the second mint. There is no market here to ask.
const IO_A_DOLLAR: u64 = 5;
/// Extra fee for paying in the second mint: 2 %.
const USDC_FEE_BPS: u16 = 200;
const CLASSES_A_TRANSACTION: usize = 5;
const VESTINGS_A_TRANSACTION: usize = 2;
/// Enterprise classes' share of emission, as published: 95 %.
const ENTERPRISE_BPS: u16 = 9_500;
/// The community's part of the genesis supply.
const COMMUNITY: u8 = ALLOCATIONS.len() as u8 - 1;
const SHARDS_A_TRANSACTION: usize = 4;

pub struct Parties<'a> {
    pub admin: &'a Wallet,
    pub io_mint: &'a Wallet,
    pub usdc_mint: &'a Wallet,
    pub renter: &'a Wallet,
    pub provider: &'a Wallet,
    pub oracles: Vec<Pubkey>,
    /// Length of an epoch of emission, seconds.
    pub epoch_seconds: u32,
}

/// Windows that suit somebody who tries things out; the rest as on a real network.
fn local_params() -> NetworkParams {
    NetworkParams {
        match_seconds: 30,
        challenge_seconds: 120,
        dispute_seconds: 300,
        reclaim_notice_seconds: 60,
        stake: StakeParams {
            appeal_seconds: 600,
            decision_seconds: 600,
            co_notice_seconds: 60,
            ..StakeParams::DEFAULT
        },
        ..default_params()
    }
}

/// Transactions that don't depend on each other, all at once.
struct Batch {
    sender: Sender,
    set: JoinSet<io_client::Result<()>>,
}

impl Batch {
    fn new(sender: &Sender) -> Self {
        Self {
            sender: sender.clone(),
            set: JoinSet::new(),
        }
    }

    fn send(
        &mut self,
        intent: impl Into<String>,
        payer: &Wallet,
        signers: &[&Wallet],
        instructions: Vec<Instruction>,
    ) {
        let mut request = Request::new(intent, payer.signer(), instructions);
        for signer in signers {
            request = request.with_signer(signer.signer());
        }
        let sender = self.sender.clone();
        self.set
            .spawn(async move { sender.send(&request).await.map(|_| ()) });
    }

    async fn done(&mut self, what: &str) -> Result<()> {
        while let Some(sent) = self.set.join_next().await {
            let sent = sent.map_err(|error| Failure::failed(format!("{what}: {error}")))?;
            sent.map_err(|error| {
                let failure = Failure::from(error);
                Failure {
                    message: format!("{what}: {}", failure.message),
                    ..failure
                }
            })?;
        }
        Ok(())
    }
}

pub async fn create_network(ctx: &Context, parties: &Parties<'_>) -> Result<()> {
    let Parties {
        admin,
        io_mint,
        usdc_mint,
        renter,
        provider,
        ..
    } = *parties;
    let authority = admin.address();
    let (io, usdc) = (io_mint.address(), usdc_mint.address());
    let mut batch = Batch::new(ctx.sender().await?);

    let rent = ctx.rpc.rent_minimum(tokens::MINT_BYTES).await?;
    let mut mints = tokens::create_mint(&authority, &io, &authority, IO_DECIMALS, rent).to_vec();
    mints.extend(tokens::create_mint(
        &authority,
        &usdc,
        &authority,
        USDC_DECIMALS,
        rent,
    ));
    batch.send("mints", admin, &[io_mint, usdc_mint], mints);
    batch.done("creating the mints").await?;

    let init = InitializeNetworkArgs {
        cluster: ctx.rpc.genesis_hash().await?.to_bytes(),
        params: local_params(),
        quorum: QUORUM,
        oracles: parties.oracles.clone(),
    };
    let emission = InitializeEmissionArgs {
        epoch_seconds: parties.epoch_seconds,
        enterprise_bps: ENTERPRISE_BPS,
    };
    let network = vec![
        instructions::initialize_network(&authority, &io, init),
        instructions::initialize_emission(&authority, &io, emission),
    ];
    batch.send("network", admin, &[], network);
    for owner in [admin, renter, provider] {
        let owner_key = owner.address();
        let mut fund = vec![
            tokens::create_associated(&authority, &owner_key, &io),
            tokens::create_associated(&authority, &owner_key, &usdc),
        ];
        if owner_key != authority {
            let account = tokens::associated(&owner_key, &usdc);
            fund.push(tokens::mint_to(&usdc, &account, &authority, START * USDC));
        }
        batch.send(format!("fund:{owner_key}"), admin, &[], fund);
    }
    batch.done("creating the network").await?;

    // All of the genesis supply is available at once here, and the administrator's; the wallets start with some of the
    // community's part.
    let vest = |index| {
        let args = VestingArgs {
            index,
            beneficiary: authority,
            start_at: 0,
            cliff_seconds: 0,
            linear_seconds: 0,
        };
        instructions::create_vesting(&authority, &io, args)
    };
    let others = (0..COMMUNITY).map(vest).collect::<Vec<_>>();
    for (i, chunk) in others.chunks(VESTINGS_A_TRANSACTION).enumerate() {
        batch.send(format!("genesis:{i}"), admin, &[], chunk.to_vec());
    }
    let from = tokens::associated(&authority, &io);
    let mut community = vec![
        vest(COMMUNITY),
        instructions::claim_vested(&authority, COMMUNITY, &from),
    ];
    for owner in [renter, provider] {
        let to = tokens::associated(&owner.address(), &io);
        let amount = START * IO;
        community.push(tokens::transfer(
            &io,
            IO_DECIMALS,
            &from,
            &to,
            &authority,
            amount,
        ));
    }
    batch.send("genesis:community", admin, &[], community);

    // IO weighs as itself; a dollar weighs what it buys of IO.
    let e9 = E9 as u64;
    let io_terms = PaymentMintArgs {
        io_per_unit_e9: e9,
        fee_bps: 0,
        enabled: true,
    };
    let usdc_weight = IO_A_DOLLAR * IO / USDC * e9;
    let usdc_terms = PaymentMintArgs {
        io_per_unit_e9: usdc_weight,
        fee_bps: USDC_FEE_BPS,
        enabled: true,
    };
    let mints = vec![
        instructions::add_payment_mint(&authority, &io, io_terms),
        instructions::add_payment_mint(&authority, &usdc, usdc_terms),
    ];
    batch.send("payment-mints", admin, &[], mints);
    for chunk in classes::all().chunks(CLASSES_A_TRANSACTION) {
        let add: Vec<Instruction> = chunk
            .iter()
            .map(|class| instructions::add_class(&authority, *class))
            .collect();
        let first = chunk.first().map_or(0, |class| class.id);
        batch.send(format!("classes:{first}"), admin, &[], add);
    }
    let register = instructions::register_provider(&provider.address(), &io, &provider.address());
    batch.send("provider", provider, &[], vec![register]);
    batch.done("creating payment mints and classes").await
}

/// The treasury, the provider's stake and its devices. Returns the devices' accounts.
pub async fn create_provider(
    ctx: &Context,
    parties: &Parties<'_>,
    selections: &[DeviceSelection],
    operators: &[(Wallet, PathBuf)],
) -> Result<Vec<Pubkey>> {
    let Parties {
        admin,
        io_mint,
        usdc_mint,
        provider,
        ..
    } = *parties;
    let mut batch = Batch::new(ctx.sender().await?);
    for mint in [io_mint.address(), usdc_mint.address()] {
        let shards: Vec<u8> = (0..TREASURY_SHARDS as u8).collect();
        for chunk in shards.chunks(SHARDS_A_TRANSACTION) {
            let make: Vec<Instruction> = chunk
                .iter()
                .map(|shard| instructions::init_treasury_shard(&admin.address(), &mint, *shard))
                .collect();
            let first = chunk.first().copied().unwrap_or(0);
            batch.send(format!("treasury:{mint}:{first}"), admin, &[], make);
        }
    }
    let cpu = classes::all()
        .into_iter()
        .find(|class| class.id == classes::CPU);
    let multiplier = cpu.map_or(100, |class| class.multiplier_e2);
    let bond = minimum_bond(local_params().min_bond, multiplier)
        .ok()
        .and_then(|least| least.checked_mul(BOND_FACTOR))
        .ok_or_else(|| Failure::failed("the bond overflows"))?;
    let total = bond.saturating_mul(selections.len() as u64);
    let token = tokens::associated(&provider.address(), &io_mint.address());
    batch.send(
        "stake",
        provider,
        &[],
        vec![instructions::stake(&provider.address(), &token, total)],
    );
    batch.done("creating the treasury and staking").await?;

    let mut accounts = Vec::new();
    for (selection, (operator, _)) in selections.iter().zip(operators) {
        let device = devices::select(selection)?;
        let args = RegisterDeviceArgs {
            hardware: device.hardware,
            operator: operator.address(),
            bond,
        };
        let register = instructions::register_device(&provider.address(), classes::CPU, args);
        batch.send(
            format!("device:{}", device.address()),
            provider,
            &[],
            vec![register],
        );
        accounts.push(pda::device(&device.hardware));
    }
    batch.done("registering the devices").await?;
    Ok(accounts)
}

pub fn worker_config(
    chain: &Chain,
    oracles: &[String],
    operator: &std::path::Path,
    device: DeviceSelection,
    data_dir: PathBuf,
) -> io_worker::Config {
    io_worker::Config {
        oracles: oracles.to_vec(),
        rpc_url: chain.rpc_url.clone(),
        ws_url: chain.ws_url.clone(),
        operator: operator.to_owned(),
        device,
        data_dir,
        ..io_worker::Config::default()
    }
}

pub fn oracle_config(
    chain: &Chain,
    port: u16,
    key: &std::path::Path,
    peers: Vec<String>,
    data_dir: PathBuf,
    app_dir: Option<PathBuf>,
) -> io_oracle::Config {
    io_oracle::Config {
        rpc_url: chain.rpc_url.clone(),
        ws_url: chain.ws_url.clone(),
        listen: std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port)),
        key: key.to_owned(),
        // The app of each oracle asks the others too.
        allowed_origins: peers.clone(),
        peers,
        data_dir,
        app_dir,
        app_rpc_url: Some(chain.rpc_url.clone()),
        app_ws_url: Some(chain.ws_url.clone()),
        local_chain: true,
        // Several devices and oracles share this machine: a round takes a fraction of a second of it.
        rounds: io_oracle::hardware::Rounds {
            window_ms: 240,
            // Which are late at times, then.
            commit_ms: Some(30_000),
            strides: 4_096,
            read_ns: 100_000,
            ..Default::default()
        },
        ..io_oracle::Config::default()
    }
}
