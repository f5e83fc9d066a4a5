//! Proving wrong cells while others get in the way of it.

use io_client::{
    Pubkey, Request, Signature, Wallet, accounts,
    challenge::{Challenge, Failed, Moot, Step, prove},
    instructions::{self, ClassArgs, EVIDENCE_SLOTS, MAX_EVIDENCE_PART, RegisterDeviceArgs},
    pda,
    testing::{LocalChain, eventually, test_params, wrong_cell},
    tokens,
};
use io_network::state::{Evidence, Provider, SlashCase};
use io_protocol::{
    hardware::CommitmentStatement,
    messages::{Deployment, epoch_of},
};

const BOND: u64 = 100_000_000;
const SOL: u64 = 1_000_000_000;

/// A provider with two devices, whose operator signs whatever is asked.
struct Site {
    chain: LocalChain,
    deployment: Deployment,
    io_mint: Pubkey,
    provider: Pubkey,
    operator: Wallet,
    devices: [Pubkey; 2],
}

impl Site {
    async fn new() -> Self {
        let chain = LocalChain::start().await;
        let oracle = Wallet::generate().address();
        let made = chain.network(vec![oracle], 1, test_params()).await;
        let (admin, mint) = (chain.authority().clone(), made.io_mint);
        let (owner, operator) = (chain.wallet(SOL).await, Wallet::generate());
        let at = owner.address();
        let class = ClassArgs {
            id: 1,
            name: instructions::class_name("CPU"),
            multiplier_e2: 100,
            min_tops_e2: 1,
            min_memory_mib: 1,
            norm_tops_e2: 0,
            group: 0,
            price_floor: 0,
            price_ceiling: 0,
            reference_price: 0,
        };
        let token = tokens::associated(&at, &mint);
        let prepare = vec![
            instructions::add_class(&admin.address(), class),
            tokens::create_associated(&admin.address(), &at, &mint),
            tokens::mint_to(&mint, &token, &admin.address(), 3 * BOND),
        ];
        send(&chain, "a class and IO", &admin, prepare).await;
        let hardware = [[1; 32], [2; 32]];
        let mut register = vec![
            instructions::register_provider(&at, &mint, &at),
            instructions::stake(&at, &token, 3 * BOND),
        ];
        register.extend(hardware.map(|hardware| {
            let args = RegisterDeviceArgs {
                hardware,
                operator: operator.address(),
                bond: BOND,
            };
            instructions::register_device(&at, 1, args)
        }));
        send(&chain, "a provider", &owner, register).await;
        let network = accounts::network(&chain.rpc()).await.unwrap();
        Self {
            deployment: network.deployment(),
            chain,
            io_mint: mint,
            provider: pda::provider(&at),
            operator,
            devices: hardware.map(|hardware| pda::device(&hardware)),
        }
    }

    /// A wrong cell under the operator's signature.
    async fn challenge(&self, device: usize, salt: u8) -> Challenge {
        let device = self.devices[device].to_bytes();
        let (committed, wrong) = wrong_cell([4; 32], device);
        let now = self.chain.rpc().chain_time().await.unwrap();
        let statement = CommitmentStatement {
            deployment: self.deployment,
            device,
            epoch: epoch_of(now),
            round_seed: committed.round_seed,
            commitment: committed.commitment(),
        };
        let signature: Signature = self.operator.sign(&statement.to_bytes());
        let operator = self.operator.address();
        let salt = [salt; 32];
        Challenge::new(statement, operator, signature, &committed, &wrong, salt).unwrap()
    }

    async fn prove(
        &self,
        challenger: &Wallet,
        challenge: &Challenge,
        told: impl Fn(Step),
    ) -> Result<io_client::challenge::Proven, Failed> {
        let sender = self.chain.sender();
        prove(&sender, challenger, &self.io_mint, challenge, told).await
    }

    async fn evidence(&self, challenger: &Wallet) -> Option<Evidence> {
        let address = pda::evidence(&challenger.address());
        accounts::fetch_maybe(&self.chain.rpc(), &address)
            .await
            .unwrap()
    }

    async fn case(&self, number: u64) -> Option<SlashCase> {
        let address = pda::slash_case(&self.provider, number);
        accounts::fetch_maybe(&self.chain.rpc(), &address)
            .await
            .unwrap()
    }

    async fn cases(&self) -> u64 {
        let provider: Provider = accounts::fetch(&self.chain.rpc(), &self.provider)
            .await
            .unwrap();
        provider.slash_cases
    }
}

async fn send(
    chain: &LocalChain,
    what: &str,
    payer: &Wallet,
    instructions: Vec<io_client::Instruction>,
) {
    let request = Request::new(what, payer.signer(), instructions);
    let sent = chain.sender().send(&request).await;
    sent.unwrap_or_else(|error| panic!("{what}: {error}\n{}", error.logs().join("\n")));
}

/// Does something from within a callback, before whoever called it goes on.
fn meanwhile<T>(doing: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(doing))
}

/// Two wrong cells of one provider are brought at the same moment. The one that comes later has the next number.
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_a_cases_number_to_another_takes_the_next() {
    let site = Site::new().await;
    if site.chain.is_external() {
        return;
    }
    let (first, second) = (site.chain.wallet(SOL).await, site.chain.wallet(SOL).await);
    let (late, early) = (site.challenge(0, 7).await, site.challenge(1, 8).await);
    let at = second.address();

    // All but the last step of the other one.
    let commitment = instructions::evidence_commitment(&at, &early.salt, &early.claim);
    let commit = instructions::commit_evidence(&at, commitment);
    send(&site.chain, "commit", &second, vec![commit]).await;
    for (part, bytes) in early.claim.chunks(MAX_EVIDENCE_PART).enumerate() {
        let offset = (part * MAX_EVIDENCE_PART) as u16;
        let write = instructions::write_evidence(&at, offset, bytes);
        send(&site.chain, &format!("write {part}"), &second, vec![write]).await;
    }
    let ripe = site.evidence(&second).await.unwrap().committed_slot + EVIDENCE_SLOTS;
    let rpc = site.chain.rpc();
    eventually("the commitment's age", || async {
        Ok(rpc.position(rpc.commitment()).await?.slot >= ripe)
    })
    .await;

    let overtake = async {
        let (device, number) = (site.devices[1], site.cases().await);
        let statement = early.statement.to_bytes();
        let signed =
            io_client::ed25519::verify(&statement, &[(early.operator, early.signature)]).unwrap();
        let mint = &site.io_mint;
        let bring =
            instructions::prove_bad_cell(&at, &device, &site.provider, number, mint, early.salt);
        send(&site.chain, "overtake", &second, vec![signed, bring]).await;
    };
    let overtake = std::sync::Mutex::new(Some(overtake));
    let proven = site
        .prove(&first, &late, |step| {
            // It has read the number that is next.
            if step == Step::Written {
                let once = overtake.lock().unwrap().take();
                meanwhile(once.expect("it is written once"));
            }
        })
        .await
        .unwrap();

    assert_eq!(site.cases().await, 2);
    let cases = [site.case(0).await.unwrap(), site.case(1).await.unwrap()];
    assert_eq!(proven.case, Some(pda::slash_case(&site.provider, 1)));
    assert_eq!(
        cases.map(|case| (case.challenger, case.device, case.amount)),
        [
            (second.address(), site.devices[1], BOND),
            (first.address(), site.devices[0], BOND)
        ]
    );
    assert!(site.evidence(&first).await.is_none(), "it is closed");
    // Called again, it sees who was first, and that it was itself.
    let again = site.prove(&first, &late, |_| {}).await;
    let Err(Failed::Moot(Moot::Proven {
        case: Some((case, challenger)),
        ..
    })) = again
    else {
        panic!("{again:?}");
    };
    assert_eq!((Some(case), challenger), (proven.case, first.address()));
}

/// Another process commits to something else with the same key, again and again. What it committed to stays; when it is quiet, the
/// proof is brought.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_commits_to_two_claims_at_once_loses_neither() {
    let site = Site::new().await;
    if site.chain.is_external() {
        return;
    }
    let me = site.chain.wallet(SOL).await;
    let challenge = site.challenge(0, 7).await;
    let others = std::sync::atomic::AtomicU8::new(0);
    let contended = site
        .prove(&me, &challenge, |step| {
            assert_eq!(step, Step::Committed, "nothing is shown");
            let n = 1 + others.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let commit = instructions::commit_evidence(&me.address(), [n; 32]);
            meanwhile(send(&site.chain, &format!("other {n}"), &me, vec![commit]));
        })
        .await;
    assert!(
        matches!(contended, Err(Failed::Contended(key)) if key == me.address()),
        "{contended:?}"
    );
    let tries = others.load(std::sync::atomic::Ordering::Relaxed);
    assert!(tries > 1, "it tries again");
    let left = site.evidence(&me).await.expect("the other one's");
    assert_eq!(left.commitment, [tries; 32]);
    assert_eq!(site.cases().await, 0);

    let proven = site.prove(&me, &challenge, |_| {}).await.unwrap();
    assert_eq!(proven.case, Some(pda::slash_case(&site.provider, 0)));
    assert_eq!(site.cases().await, 1);
}
