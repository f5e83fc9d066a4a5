//! IO's supply: genesis and vesting, the schedule of emission, roots of rewards and claims.

use anchor_lang::prelude::Pubkey;
use io_network::{
    ClaimRewardsArgs, InitializeEmissionArgs, PublishRootArgs, VestingArgs, errors::IoError, token,
};
use io_protocol::{
    emission::{ALLOCATIONS, CAP, EMISSION, EPOCHS, GENESIS, emitted, epoch_emission},
    messages::{Deployment, RewardStatement},
    money::IO,
    rewards::{Leaf, Native, Tree, root_of},
};
use io_tests::{
    CLASS_BIG, CLASS_SMALL, Call, IN_USE, NOT_TOKEN_OWNER, Rig, START_IO, World, ed25519,
    fuzz::Budget,
    spl,
    world::{self, BANK_INDEX, EMISSION_ARGS},
};
use solana_keypair::Keypair;
use solana_signer::Signer;

fn program() -> [u8; 32] {
    io_network::ID.to_bytes()
}

fn supply(world: &World) -> u64 {
    let mint = world.account(&world.io_mint).expect("the mint");
    u64::from_le_bytes(mint.data[36..44].try_into().unwrap())
}

fn mint_authority(world: &World) -> Option<Pubkey> {
    let mint = world.account(&world.io_mint).expect("the mint");
    (mint.data[0] == 1).then(|| Pubkey::new_from_array(mint.data[4..36].try_into().unwrap()))
}

/// The world after `epochs` epochs are over and minted.
fn after_epochs(world: &mut World, epochs: u64) {
    let ends = world.emission().calendar().ends_at(epochs);
    world.at(ends);
    let call = world.advance_epoch_call();
    world.ok(&call);
}

/// A leaf set, and what it takes to publish it and to claim from it.
struct Leaves {
    leaves: Vec<Leaf>,
    tree: Tree,
    blob: [u8; 32],
}

impl Leaves {
    fn new(shares: &[(Pubkey, u64)]) -> Self {
        let mut leaves: Vec<Leaf> = shares
            .iter()
            .map(|(provider, cumulative)| Leaf {
                provider: provider.to_bytes(),
                cumulative: *cumulative,
            })
            .collect();
        leaves.sort();
        let tree = Tree::build::<Native>(&program(), &leaves).expect("a tree");
        Self {
            leaves,
            tree,
            blob: [0x77; 32],
        }
    }

    fn root(&self, epoch: u64) -> PublishRootArgs {
        PublishRootArgs {
            epoch,
            root: self.tree.root(),
            total: self.tree.total(),
            blob: self.blob,
        }
    }

    fn claim(&self, provider: &Pubkey) -> ClaimRewardsArgs {
        let at = self
            .leaves
            .iter()
            .position(|leaf| leaf.provider == provider.to_bytes())
            .expect("a leaf");
        ClaimRewardsArgs {
            cumulative: self.leaves[at].cumulative,
            index: at as u32,
            proof: self.tree.proof::<Native>(at).expect("a proof"),
        }
    }
}

fn publish(world: &mut World, leaves: &Leaves, epoch: u64) {
    let call = world.publish_root_call(leaves.root(epoch), &[0, 1]);
    world.ok(&call);
}

/// The provider claims to its payout owner's account.
fn claim_call(world: &World, rig: &Rig, args: ClaimRewardsArgs) -> Call {
    world.claim_rewards_call(&rig.authority.key, &rig.provider, &rig.payout.io, args)
}

/// Two providers in a network whose first two epochs are over, with a root over both.
fn with_root(seed: u64) -> (World, Rig, Rig, Leaves) {
    let mut world = World::emitting(seed);
    let first = world.rig(CLASS_SMALL, 1_000 * IO);
    let second = world.rig(CLASS_BIG, 3_000 * IO);
    after_epochs(&mut world, 2);
    let leaves = Leaves::new(&[(first.provider, 500 * IO), (second.provider, 7_000 * IO)]);
    publish(&mut world, &leaves, 2);
    (world, first, second, leaves)
}

#[test]
fn genesis_is_the_published_one_and_only_the_program_mints() {
    let mut world = World::emitting(300);
    assert_eq!(supply(&world), GENESIS);
    assert_eq!(mint_authority(&world), Some(world::emission()));
    let emission = world.emission();
    assert!(emission.genesis_complete());
    assert_eq!((emission.minted, emission.epochs_done), (0, 0));
    for (index, allocation) in ALLOCATIONS.iter().enumerate() {
        assert_eq!(world.vesting(index as u8).total, allocation.amount);
    }
    let (mint, account) = (world.io_mint, world.bank.as_ref().unwrap().account);
    let admin = world.admin.insecure_clone();
    for authority in [&admin, &world.mint_authority.insecure_clone()] {
        let minted = world.send(
            &[spl::mint_to(&mint, &account, &authority.pubkey(), 1)],
            &[authority],
            0,
        );
        assert!(minted.unwrap_err().is(NOT_TOKEN_OWNER));
    }
    // Each once.
    let again = world.initialize_emission_call(EMISSION_ARGS);
    world.refuse(&again, IoError::MintNotClean);
    let again = world.create_vesting_call(VestingArgs {
        index: 0,
        beneficiary: account,
        start_at: 0,
        cliff_seconds: 0,
        linear_seconds: 0,
    });
    world.refuse(&again, IN_USE);
}

#[test]
fn only_a_new_mint_starts_an_emission() {
    // The usual test network's IO is minted by a key, and can be frozen.
    let mut world = World::new(301);
    let call = world.initialize_emission_call(EMISSION_ARGS);
    world.refuse(&call, IoError::MintNotClean);

    let world = World::unminted(301);
    let mut stranger = world.fork();
    stranger.admin = stranger.person();
    let call = stranger.initialize_emission_call(EMISSION_ARGS);
    stranger.refuse(&call, IoError::NotAdmin);

    let mut used = world.fork();
    let (mint, admin) = (used.io_mint, used.admin.insecure_clone());
    let account = used.token_account(&mint, &admin.pubkey(), 0);
    used.must(
        &[spl::mint_to(&mint, &account, &admin.pubkey(), 1)],
        &[&admin],
    );
    let call = used.initialize_emission_call(EMISSION_ARGS);
    used.refuse(&call, IoError::MintNotClean);

    for (epoch_seconds, enterprise_bps, fits) in [
        (0, 9_500, false),
        (3_601, 9_500, false),
        (3_600, 10_001, false),
        (1, 0, true),
        (3_600, 10_000, true),
    ] {
        let mut world = world.fork();
        let call = world.initialize_emission_call(InitializeEmissionArgs {
            epoch_seconds,
            enterprise_bps,
        });
        if fits {
            world.ok(&call);
            let begins = world.emission().genesis_at;
            assert!(begins > world.now() && begins <= world.now() + i64::from(epoch_seconds));
            assert_eq!(begins % i64::from(epoch_seconds), 0);
        } else {
            world.refuse(&call, IoError::ParameterOutOfBounds);
        }
    }
}

#[test]
fn nothing_is_emitted_before_genesis_is_complete() {
    let mut world = World::unminted(302);
    let call = world.initialize_emission_call(EMISSION_ARGS);
    world.ok(&call);
    let beneficiary = world.admin.pubkey();
    for index in 0..5 {
        world.advance(7_200);
        let advance = world.advance_epoch_call();
        world.refuse(&advance, IoError::GenesisIncomplete);
        let args = VestingArgs {
            index,
            beneficiary,
            start_at: 0,
            cliff_seconds: 0,
            linear_seconds: 0,
        };
        let mut bad = args;
        bad.index = 5;
        let call = world.create_vesting_call(bad);
        world.refuse(&call, IoError::ParameterOutOfBounds);
        for bad in [
            VestingArgs {
                beneficiary: Pubkey::default(),
                ..args
            },
            VestingArgs {
                cliff_seconds: 10 * 365 * 86_400 + 1,
                ..args
            },
            VestingArgs {
                linear_seconds: u32::MAX,
                ..args
            },
        ] {
            let call = world.create_vesting_call(bad);
            world.refuse(&call, IoError::ParameterOutOfBounds);
        }
        let call = world.create_vesting_call(args);
        world.ok(&call);
    }
    let advance = world.advance_epoch_call();
    world.ok(&advance);
    let ended = world.emission().epochs_done;
    assert_eq!(supply(&world), GENESIS + emitted(ended));
}

#[test]
fn an_epoch_is_minted_when_it_is_over() {
    let mut world = World::emitting(303);
    let genesis = world.emission().genesis_at;
    let advance = world.advance_epoch_call();
    for now in [genesis - 1, genesis, genesis + 3_599] {
        world.at(now);
        world.refuse(&advance, IoError::EpochNotOver);
    }
    world.at(genesis + 3_600);
    world.ok(&advance);
    assert_eq!(world.emission().minted, epoch_emission(1));
    world.refuse(&advance, IoError::EpochNotOver);
    world.at(genesis + 2 * 3_600 - 1);
    world.refuse(&advance, IoError::EpochNotOver);
    world.at(genesis + 2 * 3_600 + 1);
    world.ok(&advance);
    assert_eq!(supply(&world), GENESIS + emitted(2));
}

#[test]
fn catching_up_is_the_same_as_hour_by_hour_and_ends_at_the_cap() {
    let world = World::emitting(304);
    let (mut each, mut once) = (world.fork(), world);
    for epoch in 1..=40 {
        after_epochs(&mut each, epoch);
    }
    after_epochs(&mut once, 40);
    assert_eq!(once.emission(), each.emission());
    assert_eq!(supply(&once), supply(&each));
    // Donations to the reward vault count for nothing.
    let (mint, vault) = (once.io_mint, world::vault(&world::emission()));
    once.donate(&mint, &vault, 12_345);

    after_epochs(&mut once, EPOCHS - 1);
    assert!(supply(&once) < CAP);
    after_epochs(&mut once, EPOCHS);
    assert_eq!(supply(&once), CAP);
    assert_eq!(once.emission().minted, EMISSION);
    // Epochs go on, emission does not.
    after_epochs(&mut once, EPOCHS + 1_000_000);
    assert_eq!(supply(&once), CAP);
    once.at(i64::MAX - 1);
    let call = once.advance_epoch_call();
    once.ok(&call);
    assert_eq!(supply(&once), CAP);
}

#[test]
fn vesting_by_the_second() {
    let mut world = World::unminted(305);
    let call = world.initialize_emission_call(EMISSION_ARGS);
    world.ok(&call);
    let (owner, start) = (world.person(), world.now() + 1_000);
    let (cliff, linear) = (500u32, 1_000u32);
    let call = world.create_vesting_call(VestingArgs {
        index: 1,
        beneficiary: owner.pubkey(),
        start_at: start,
        cliff_seconds: cliff,
        linear_seconds: linear,
    });
    world.ok(&call);
    let mint = world.io_mint;
    let account = world.token_account(&mint, &owner.pubkey(), 0);
    let total = ALLOCATIONS[1].amount;
    let claim = world.claim_vested_call(&owner, 1, &account);
    let begins = start + i64::from(cliff);
    for now in [start, begins - 1, begins] {
        world.at(now);
        world.refuse(&claim, IoError::NothingVested);
    }
    for (now, vested) in [
        (begins + 1, total / 1_000),
        (begins + 777, total / 1_000 * 777),
        (begins + 999, total / 1_000 * 999),
        (begins + 1_000, total),
    ] {
        world.at(now);
        world.ok(&claim);
        assert_eq!(world.tokens(&account), vested);
        world.refuse(&claim, IoError::NothingVested);
    }
    world.at(i64::MAX);
    world.refuse(&claim, IoError::NothingVested);
}

#[test]
fn a_beneficiary_hands_over_in_two_steps() {
    let mut world = World::emitting(306);
    let (heir, stranger) = (world.person(), world.person());
    let owner = world.bank.as_ref().unwrap().key.insecure_clone();
    let mint = world.io_mint;
    let account = world.token_account(&mint, &heir.pubkey(), 0);
    let claim = world.claim_vested_call(&heir, BANK_INDEX, &account);
    world.refuse(&claim, IoError::NotBeneficiary);
    for thief in [&heir, &world.admin.insecure_clone()] {
        let call = world.propose_beneficiary_call(thief, BANK_INDEX, &thief.pubkey());
        world.refuse(&call, IoError::NotBeneficiary);
    }
    let call = world.propose_beneficiary_call(&owner, BANK_INDEX, &heir.pubkey());
    world.ok(&call);
    // Proposed only: the owner still owns.
    world.refuse(&claim, IoError::NotBeneficiary);
    let call = world.accept_beneficiary_call(&stranger, BANK_INDEX);
    world.refuse(&call, IoError::NotBeneficiary);
    // Taken back, and proposed again.
    let call = world.propose_beneficiary_call(&owner, BANK_INDEX, &Pubkey::default());
    world.ok(&call);
    let accept = world.accept_beneficiary_call(&heir, BANK_INDEX);
    world.refuse(&accept, IoError::NotBeneficiary);
    let call = world.propose_beneficiary_call(&owner, BANK_INDEX, &heir.pubkey());
    world.ok(&call);
    world.ok(&accept);
    assert_eq!(world.vesting(BANK_INDEX).beneficiary, heir.pubkey());
    world.refuse(&accept, IoError::NotBeneficiary);
    // Everything of this one was claimed before.
    world.refuse(&claim, IoError::NothingVested);
}

#[test]
fn a_root_needs_a_quorum_and_goes_forward_only() {
    let mut world = World::emitting(307);
    let rig = world.rig(CLASS_SMALL, 1_000 * IO);
    after_epochs(&mut world, 3);
    let minted = world.emission().minted;
    let leaves = Leaves::new(&[(rig.provider, 100 * IO)]);

    let one = world.publish_root_call(leaves.root(2), &[0]);
    world.refuse(&one, IoError::QuorumNotReached);
    let twice = world.publish_root_call(leaves.root(2), &[0, 0]);
    world.refuse(&twice, IoError::DuplicateOracle);
    let mut unsigned = world.publish_root_call(leaves.root(2), &[0, 1]);
    unsigned.before.clear();
    world.refuse(&unsigned, IoError::NoSignatureInstruction);

    // Signed for something else.
    let good = leaves.root(2);
    let base = world.reward_statement(&good);
    let elsewhere = Deployment {
        cluster: [1; 32],
        ..base.deployment
    };
    for forged in [
        RewardStatement { epoch: 1, ..base },
        RewardStatement {
            root: [9; 32],
            ..base
        },
        RewardStatement {
            total: base.total + 1,
            ..base
        },
        RewardStatement {
            blob: [9; 32],
            ..base
        },
        RewardStatement {
            set_version: base.set_version + 1,
            ..base
        },
        RewardStatement {
            deployment: elsewhere,
            ..base
        },
    ] {
        let mut call = world.publish_root_call(good, &[0, 1]);
        call.before = vec![ed25519::signed(
            &forged.to_bytes(),
            &world.oracle_keys(&[0, 1]),
        )];
        world.refuse(&call, IoError::WrongMessage);
    }

    // Not over yet.
    let early = world.publish_root_call(leaves.root(4), &[0, 1]);
    world.refuse(&early, IoError::EpochNotOver);
    // More than was minted.
    let rich = Leaves::new(&[(rig.provider, minted + 1)]);
    let call = world.publish_root_call(rich.root(3), &[0, 1, 2]);
    world.refuse(&call, IoError::TotalOutOfRange);
    let all = Leaves::new(&[(rig.provider, minted)]);
    let mut exact = world.fork();
    publish(&mut exact, &all, 3);

    publish(&mut world, &leaves, 2);
    let emission = world.emission();
    assert_eq!(
        (emission.root, emission.root_epoch, emission.root_total),
        (leaves.tree.root(), 2, 100 * IO)
    );
    // Neither the same epoch again nor an earlier one, nor less in all.
    for epoch in [0, 1, 2] {
        let call = world.publish_root_call(all.root(epoch), &[0, 1]);
        world.refuse(&call, IoError::RootNotNewer);
    }
    let less = Leaves::new(&[(rig.provider, 100 * IO - 1)]);
    let call = world.publish_root_call(less.root(3), &[0, 1]);
    world.refuse(&call, IoError::TotalOutOfRange);
    let more = Leaves::new(&[(rig.provider, 101 * IO)]);
    publish(&mut world, &more, 3);
}

#[test]
fn a_claim_pays_once_and_only_what_is_proven() {
    let (mut world, first, second, leaves) = with_root(308);
    let good = leaves.claim(&first.provider);
    // Bent in every way.
    let mut bent = vec![
        ClaimRewardsArgs {
            cumulative: good.cumulative + 1,
            ..good.clone()
        },
        ClaimRewardsArgs {
            index: good.index ^ 1,
            ..good.clone()
        },
        ClaimRewardsArgs {
            index: good.index + 2,
            ..good.clone()
        },
        ClaimRewardsArgs {
            proof: Vec::new(),
            ..good.clone()
        },
    ];
    let mut longer = good.clone();
    longer.proof.push([0; 32]);
    bent.push(longer);
    let mut too_long = good.clone();
    too_long.proof = vec![[0; 32]; 25];
    bent.push(too_long);
    let mut flipped = good.clone();
    flipped.proof[0][31] ^= 1;
    bent.push(flipped);
    // Another provider's leaf.
    bent.push(leaves.claim(&second.provider));
    // A tree of one's own, or of another program's providers.
    let own = Leaves::new(&[(first.provider, 6_000 * IO), (second.provider, 1_500 * IO)]);
    bent.push(own.claim(&first.provider));
    let foreign = Tree::build::<Native>(&[8; 32], &leaves.leaves).unwrap();
    bent.push(ClaimRewardsArgs {
        proof: foreign.proof::<Native>(good.index as usize).unwrap(),
        ..good.clone()
    });
    for args in bent {
        let call = claim_call(&world, &first, args);
        world.refuse(&call, IoError::BadProof);
    }

    let call = claim_call(&world, &first, good.clone());
    world.ok(&call);
    assert_eq!(world.tokens(&first.payout.io), 500 * IO);
    assert_eq!(world.provider(&first.provider).claimed, 500 * IO);
    world.refuse(&call, IoError::NothingToClaim);

    // The next root: the old proof is worth nothing, the new one pays the difference.
    after_epochs(&mut world, 3);
    let next = Leaves::new(&[(first.provider, 800 * IO), (second.provider, 9_000 * IO)]);
    publish(&mut world, &next, 3);
    world.refuse(&call, IoError::BadProof);
    let call = claim_call(&world, &first, next.claim(&first.provider));
    world.ok(&call);
    assert_eq!(world.tokens(&first.payout.io), 800 * IO);
    // Who never claimed loses nothing.
    let call = claim_call(&world, &second, next.claim(&second.provider));
    world.ok(&call);
    assert_eq!(world.tokens(&second.payout.io), 9_000 * IO);
    assert_eq!(world.emission().claimed, 9_800 * IO);
}

#[test]
fn claims_go_to_the_payout_owner_whoever_sends_them() {
    let (mut world, rig, other, leaves) = with_root(309);
    let args = leaves.claim(&rig.provider);
    let mint = world.io_mint;
    let stranger = world.person();
    let associated = token::associated_address(&rig.payout.pubkey(), &mint);

    // A stranger cannot choose the account, not even another one of the payout owner's.
    let call = world.claim_rewards_call(&stranger, &rig.provider, &rig.payout.io, args.clone());
    world.refuse(&call, IoError::WrongAccount);
    let theirs = world.token_account(&mint, &stranger.pubkey(), 0);
    for signer in [&stranger, &rig.authority.key, &rig.payout.key] {
        let call = world.claim_rewards_call(signer, &rig.provider, &theirs, args.clone());
        world.refuse(&call, IoError::WrongAccount);
    }
    // The authority is not the payout owner: its account gets nothing.
    let call = claim_call(
        &world,
        &Rig {
            payout: rig.authority.clone(),
            ..rig.clone()
        },
        args.clone(),
    );
    world.refuse(&call, IoError::WrongAccount);
    let call = world.claim_rewards_call(&stranger, &rig.provider, &associated, args.clone());
    world.refuse(&call, IoError::BadTokenAccount);

    let account = world.account(&rig.payout.io).unwrap();
    world.write(&associated, account);
    let mut by_stranger = world.fork();
    by_stranger.ok(&call);
    assert_eq!(by_stranger.tokens(&associated), 500 * IO);
    let mut by_owner = world.fork();
    let call =
        by_owner.claim_rewards_call(&rig.payout.key, &rig.provider, &rig.payout.io, args.clone());
    by_owner.ok(&call);
    assert_eq!(by_owner.tokens(&rig.payout.io), 500 * IO);

    // With another's provider account the proof is another's.
    let call = world.claim_rewards_call(
        &other.authority.key,
        &other.provider,
        &other.payout.io,
        args.clone(),
    );
    world.refuse(&call, IoError::BadProof);

    // A pause blocks no claim.
    let call = world.set_paused_call(true);
    world.ok(&call);
    let call = claim_call(&world, &rig, args);
    world.ok(&call);
}

#[test]
fn without_a_root_there_is_nothing_to_claim() {
    let mut world = World::emitting(310);
    let rig = world.rig(CLASS_SMALL, 1_000 * IO);
    after_epochs(&mut world, 1);
    for proof in [Vec::new(), vec![[0; 32]]] {
        let args = ClaimRewardsArgs {
            cumulative: 1,
            index: 0,
            proof,
        };
        let call = claim_call(&world, &rig, args);
        world.refuse(&call, IoError::BadProof);
    }
}

#[test]
fn the_split_is_a_parameter_within_bounds() {
    let mut world = World::emitting(311);
    let call = world.set_enterprise_share_call(10_001);
    world.refuse(&call, IoError::ParameterOutOfBounds);
    let call = world.set_enterprise_share_call(8_000);
    world.ok(&call);
    assert_eq!(world.emission().enterprise_bps, 8_000);
    world.admin = world.person();
    let call = world.set_enterprise_share_call(8_000);
    world.refuse(&call, IoError::NotAdmin);
}

/// A claim from a tree of a million providers fits a legacy transaction.
#[test]
fn a_claim_of_twenty_levels_fits_a_transaction() {
    let (mut world, rig, _, _) = with_root(312);
    after_epochs(&mut world, 3);
    let (index, proof) = (777_777, (0..20u8).map(|i| [i; 32]).collect::<Vec<_>>());
    let leaf = Leaf {
        provider: rig.provider.to_bytes(),
        cumulative: 9_999 * IO,
    };
    let root = root_of::<Native>(leaf.hash::<Native>(&program()), index, &proof).unwrap();
    let args = PublishRootArgs {
        epoch: 3,
        root,
        total: 10_000 * IO,
        blob: [1; 32],
    };
    let call = world.publish_root_call(args, &[0, 1]);
    world.ok(&call);
    let claim = ClaimRewardsArgs {
        cumulative: leaf.cumulative,
        index,
        proof,
    };
    let call = claim_call(&world, &rig, claim);
    // Two signatures (fee payer and authority), header, keys, blockhash, one instruction.
    let keys = 2 + call.instruction.accounts.len();
    let bytes = 1
        + 2 * 64
        + 3
        + 1
        + keys * 32
        + 32
        + 1
        + 4
        + call.instruction.accounts.len()
        + call.instruction.data.len();
    assert!(bytes <= 1_232, "{bytes} bytes");
    world.ok(&call);
    assert_eq!(world.tokens(&rig.payout.io), leaf.cumulative);
}

/// Pseudo-random numbers of one's own: the same run everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Epochs, roots and claims in any order (`./x fuzz` runs it for long), against a model: everybody gets what its newest proven leaf says, to the base
/// unit, and the books balance after every step (`World::attempt` checks them).
#[test]
fn random_rewards_match_a_model() {
    let budget = Budget::of("emission", 15);
    for round in 0.. {
        rewards_match_a_model(0x9e37_79b9_7f4a_7c15 ^ (budget.seed + round));
        if !budget.more() {
            break;
        }
    }
    budget.done();
}

fn rewards_match_a_model(seed: u64) {
    let mut world = World::emitting(313);
    let rigs: Vec<Rig> = (0..3).map(|_| world.rig(CLASS_SMALL, 1_000 * IO)).collect();
    let mut dice = Dice(seed);
    let mut earned = [0u64; 3];
    let mut paid = [0u64; 3];
    let mut epoch_of_root = 0;
    let mut published: Option<Leaves> = None;
    let mut old: Vec<Leaves> = Vec::new();
    let (mut claims, mut roots) = (0, 0);
    for _ in 0..400 {
        let who = dice.below(3) as usize;
        match dice.below(6) {
            0 => {
                let forward = world.now() + dice.below(9_000) as i64;
                world.at(forward);
                let ended = world.emission().calendar().ended(world.now());
                let call = world.advance_epoch_call();
                if ended > world.emission().epochs_done {
                    world.ok(&call);
                    assert_eq!(world.emission().minted, emitted(ended));
                } else {
                    world.refuse(&call, IoError::EpochNotOver);
                }
            }
            1 => {
                let done = world.emission().epochs_done;
                let room = world.emission().minted - earned.iter().sum::<u64>();
                let mut next = earned;
                next[who] += dice.below(room + 1);
                if next.iter().sum::<u64>() == 0 {
                    continue;
                }
                let shares: Vec<_> = rigs.iter().map(|r| r.provider).zip(next).collect();
                let leaves = Leaves::new(&shares);
                let epoch = epoch_of_root + dice.below(3);
                let call = world.publish_root_call(leaves.root(epoch), &[1, 2]);
                if epoch <= epoch_of_root {
                    world.refuse(&call, IoError::RootNotNewer);
                } else if epoch > done {
                    world.refuse(&call, IoError::EpochNotOver);
                } else {
                    world.ok(&call);
                    (earned, epoch_of_root) = (next, epoch);
                    old.extend(published.replace(leaves));
                    roots += 1;
                }
            }
            2 => {
                let Some(before) = old.last() else { continue };
                let args = before.claim(&rigs[who].provider);
                let newest = published.as_ref().unwrap().tree.root();
                let call = claim_call(&world, &rigs[who], args);
                if before.tree.root() != newest {
                    world.refuse(&call, IoError::BadProof);
                }
            }
            _ => {
                let Some(leaves) = &published else { continue };
                let call = claim_call(&world, &rigs[who], leaves.claim(&rigs[who].provider));
                if earned[who] > paid[who] {
                    world.ok(&call);
                    paid[who] = earned[who];
                    claims += 1;
                } else {
                    world.refuse(&call, IoError::NothingToClaim);
                }
            }
        }
        for (rig, paid) in rigs.iter().zip(paid) {
            assert_eq!(world.tokens(&rig.payout.io), paid);
        }
    }
    assert!(
        claims > 5 && roots > 5,
        "seed {seed}: {claims} claims, {roots} roots"
    );
    assert_eq!(world.tokens(&rigs[0].authority.io), START_IO - 1_000 * IO);
}

/// A PDA that somebody sent lamports to is created all the same.
#[test]
fn prefunded_addresses_block_nothing() {
    let mut world = World::unminted(314);
    let vesting = world::vesting(2);
    for address in [
        world::emission(),
        world::vault(&world::emission()),
        vesting,
        world::vault(&vesting),
    ] {
        world.fund(&address);
    }
    let call = world.initialize_emission_call(EMISSION_ARGS);
    world.ok(&call);
    let call = world.create_vesting_call(VestingArgs {
        index: 2,
        beneficiary: Keypair::new().pubkey(),
        start_at: 0,
        cliff_seconds: 0,
        linear_seconds: 0,
    });
    world.ok(&call);
}
