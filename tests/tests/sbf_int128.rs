//! The 128-bit helpers of `tools/sbf/builtins`, run inside the VM, agree with the host's native arithmetic.

use std::cell::RefCell;

use io_tests::artifacts;
use litesvm::LiteSVM;
use proptest::prelude::*;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;
use solana_transaction::Transaction;

/// Pairs in one transaction: 1,024 bytes of instruction data of the 1,232 that a transaction has.
const BATCH: usize = 32;
const LAMPORTS: u64 = 1_000_000_000_000;

/// What the program does for each operation byte, natively. `None` where the operation isn't defined.
type Native = fn(u128, u128) -> Option<u128>;

const OPERATIONS: &[(&str, Native)] = &[
    ("u128 multiplication", |a, b| Some(a.wrapping_mul(b))),
    ("u128 division", |a, b| a.checked_div(b)),
    ("u128 remainder", |a, b| a.checked_rem(b)),
    ("i128 division", |a, b| {
        (b != 0).then(|| (a as i128).wrapping_div(b as i128) as u128)
    }),
    ("i128 remainder", |a, b| {
        (b != 0).then(|| (a as i128).wrapping_rem(b as i128) as u128)
    }),
    ("shift left", |a, b| Some(a << (b % 128))),
    ("shift right", |a, b| Some(a >> (b % 128))),
    ("arithmetic shift right", |a, b| {
        Some(((a as i128) >> (b % 128)) as u128)
    }),
    ("u128 overflow check", |a, b| {
        Some(a.overflowing_mul(b).1.into())
    }),
    ("i128 overflow check", |a, b| {
        Some((a as i128).overflowing_mul(b as i128).1.into())
    }),
    ("i128 multiplication", |a, b| {
        Some((a as i128).wrapping_mul(b as i128) as u128)
    }),
    ("zero counts", |a, _| {
        Some(u128::from(a.leading_zeros()) << 32 | u128::from(a.trailing_zeros()))
    }),
    ("addition", |a, b| Some(a.wrapping_add(b))),
    ("subtraction", |a, b| Some(a.wrapping_sub(b))),
];

struct Probe {
    vm: LiteSVM,
    payer: Keypair,
    program: Keypair,
}

impl Probe {
    fn new() -> Self {
        let mut vm = LiteSVM::new()
            .with_sigverify(false)
            .with_blockhash_check(false)
            .with_transaction_history(0);
        let (payer, program) = (Keypair::new(), Keypair::new());
        vm.add_program(program.pubkey(), &artifacts::program("io_int128_probe"))
            .expect("the probe loads");
        vm.airdrop(&payer.pubkey(), LAMPORTS).expect("an airdrop");
        Self { vm, payer, program }
    }

    /// Return data and compute units of one call.
    fn call(&mut self, data: &[u8]) -> Result<(Vec<u8>, u64), String> {
        let instruction = Instruction::new_with_bytes(self.program.pubkey(), data, Vec::new());
        let message = Message::new(&[instruction], Some(&self.payer.pubkey()));
        let transaction = Transaction::new(&[&self.payer], message, self.vm.latest_blockhash());
        match self.vm.send_transaction(transaction) {
            Ok(meta) => Ok((meta.return_data.data, meta.compute_units_consumed)),
            Err(failed) => Err(format!("{:?}: {:?}", failed.err, failed.meta.logs)),
        }
    }

    /// Every operation on every pair, against the native result.
    fn compare(&mut self, pairs: &[(u128, u128)]) {
        for (code, (name, native)) in (0u8..).zip(OPERATIONS) {
            let defined: Vec<_> = pairs
                .iter()
                .filter(|(a, b)| native(*a, *b).is_some())
                .collect();
            for batch in defined.chunks(BATCH) {
                let mut data = vec![code];
                for (a, b) in batch {
                    data.extend(a.to_le_bytes());
                    data.extend(b.to_le_bytes());
                }
                let (returned, _) = self
                    .call(&data)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(
                    returned.len(),
                    batch.len() * 16,
                    "{name}: one result a pair"
                );
                for ((a, b), bytes) in batch.iter().zip(returned.as_chunks::<16>().0) {
                    let result = u128::from_le_bytes(*bytes);
                    assert_eq!(Some(result), native(*a, *b), "{name} of {a:#x} and {b:#x}");
                }
            }
        }
    }
}

/// Zero, one, all ones, both signs' limits, the borders between 32-bit digits and 64-bit halves and their neighbours,
/// and divisors that make a quotient digit's first estimate too high.
fn edges() -> Vec<u128> {
    let mut edges = vec![
        0,
        1,
        2,
        3,
        10,
        10_000,
        1_000_000_007,
        u128::MAX,
        u128::MAX - 1,
    ];
    for bit in [31, 32, 33, 63, 64, 65, 95, 96, 97, 126, 127] {
        let power = 1u128 << bit;
        edges.extend([power - 1, power, power + 1]);
    }
    edges.extend([
        i128::MIN as u128 + 1,
        0xffff_ffff_0000_0000,
        0xffff_ffff_0000_0001,
        0x8000_0000_ffff_ffff,
        0x8000_0000_0000_0000_ffff_ffff_ffff_ffff,
        0xffff_ffff_0000_0000_ffff_ffff_0000_0000,
        0x0000_0001_0000_0000_0000_0000_0000_0001,
        0x7fff_ffff_8000_0000_0000_0000_0000_0000,
    ]);
    edges
}

/// Operands of every magnitude, since uniform ones nearly always fill all 128 bits.
fn operand() -> impl Strategy<Value = u128> {
    prop_oneof![
        any::<u128>(),
        (any::<u128>(), 0u32..128).prop_map(|(value, shift)| value >> shift),
        (any::<u128>(), 0u32..128).prop_map(|(value, shift)| value << shift),
        (any::<u128>(), 0u32..128).prop_map(|(value, shift)| (value >> shift).wrapping_neg()),
        prop::sample::select(edges()),
    ]
}

#[test]
fn helpers_agree_on_every_pair_of_edges() {
    let edges = edges();
    let pairs: Vec<_> = edges
        .iter()
        .flat_map(|a| edges.iter().map(|b| (*a, *b)))
        .collect();
    Probe::new().compare(&pairs);
}

#[test]
fn helpers_agree_on_random_operands() {
    let probe = RefCell::new(Probe::new());
    let config = ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest::test_runner::TestRunner::new(config)
        .run(
            &prop::collection::vec((operand(), operand()), BATCH),
            |pairs| {
                probe.borrow_mut().compare(&pairs);
                Ok(())
            },
        )
        .expect("the VM agrees with the host");
}

#[test]
fn the_probe_refuses_malformed_input() {
    let mut probe = Probe::new();
    for (data, code) in [
        (vec![], 1),
        (vec![0; 2], 1),
        (vec![0; 32], 1),
        (vec![200; 33], 2),
    ] {
        let error = probe.call(&data).expect_err("refused");
        assert!(
            error.contains(&format!("Custom({code})")),
            "{} bytes: {error}",
            data.len()
        );
    }
    let whole = [&[0u8][..], &1u128.to_le_bytes(), &7u128.to_le_bytes()].concat();
    assert_eq!(probe.call(&whole).expect("accepted").0, 7u128.to_le_bytes());
}
