//! The rules of traces, samples and stakes, over random cases.

use io_proof::*;
use proptest::prelude::*;

fn build(job: Hash, steps: &[Vec<u8>]) -> Trace {
    let mut builder = TraceBuilder::new(job);
    for step in steps {
        builder.push(step).unwrap();
    }
    builder.finish()
}

proptest! {
    #[test]
    fn every_step_has_a_proof_and_only_at_its_own_place(
        job in any::<Hash>(),
        steps in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..80),
        pick in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let trace = build(job, &steps);
        let root = trace.root();
        let i = pick.index(steps.len());
        let step = step_hash(&steps[i]);
        let proof = trace.prove(i as u64).unwrap();
        prop_assert_eq!(proof.verify(&job, &root, &step), Ok(()));

        let j = other.index(steps.len());
        let moved = Inclusion { index: j as u64, ..proof.clone() };
        prop_assert_eq!(moved.verify(&job, &root, &step).is_ok(), i == j);
        prop_assert!(proof.verify(&job, &root, &step_hash(b"something that no step is")).is_err());

        let mut other_job = job;
        other_job[0] ^= 1;
        prop_assert!(proof.verify(&other_job, &root, &step).is_err());
    }

    #[test]
    fn a_changed_proof_fails(
        n in 1usize..80,
        pick in any::<prop::sample::Index>(),
        bit in 0usize..256,
        sibling in any::<prop::sample::Index>(),
    ) {
        let steps: Vec<_> = (0..n).map(|i| i.to_le_bytes().to_vec()).collect();
        let trace = build([9; 32], &steps);
        let i = pick.index(n);
        let proof = trace.prove(i as u64).unwrap();
        let step = step_hash(&steps[i]);
        let verify = |p: &Inclusion| p.verify(&[9; 32], &trace.root(), &step);

        let mut longer = proof.clone();
        longer.siblings.push([0; 32]);
        let too_long = matches!(verify(&longer), Err(ProofError::WrongLength { .. }));
        prop_assert!(too_long);
        if !proof.siblings.is_empty() {
            let mut flipped = proof.clone();
            flipped.siblings[sibling.index(proof.siblings.len())][bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(verify(&flipped), Err(ProofError::WrongRoot { index: i as u64 }));
            let mut shorter = proof.clone();
            shorter.siblings.pop();
            let too_short = matches!(verify(&shorter), Err(ProofError::WrongLength { .. }));
            prop_assert!(too_short);
        }
        // The number of steps is bound into the root, whatever the path's length.
        for n_steps in [i as u64, n as u64 + 1, MAX_STEPS, u64::MAX] {
            let resized = Inclusion { n_steps, ..proof.clone() };
            prop_assert!(verify(&resized).is_err());
        }
    }

    #[test]
    fn roots_differ_when_any_step_their_number_or_the_job_does(
        steps in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..40),
        job in any::<Hash>(),
        pick in any::<prop::sample::Index>(),
    ) {
        let root = build(job, &steps).root();
        let mut longer = steps.clone();
        longer.push(steps.last().cloned().unwrap_or_default());
        prop_assert_ne!(build(job, &longer).root(), root);
        let mut other_job = job;
        other_job[31] ^= 0x80;
        prop_assert_ne!(build(other_job, &steps).root(), root);
        if !steps.is_empty() {
            let mut changed = steps.clone();
            changed[pick.index(steps.len())].push(0);
            prop_assert_ne!(build(job, &changed).root(), root);
        }
    }

    #[test]
    fn samples_are_sorted_distinct_in_range_and_repeatable(
        seed in any::<Hash>(),
        n in prop_oneof![0u64..50, any::<u64>()],
        k in 0u32..300,
    ) {
        let sample = sample_steps(&seed, n, k);
        prop_assert_eq!(sample.len() as u64, u64::from(k).min(n));
        prop_assert!(sample.is_sorted_by(|a, b| a < b));
        prop_assert!(sample.iter().all(|s| *s < n));
        prop_assert_eq!(sample, sample_steps(&seed, n, k));
    }

    #[test]
    fn detection_agrees_with_binomials(n in 1u64..40, wrong in 0u64..40, k in 0u32..40) {
        let wrong = wrong.min(n);
        let binomial = |n: u64, k: u64| -> f64 {
            if k > n { 0.0 } else { (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product() }
        };
        let k64 = u64::from(k).min(n);
        let expected = 1.0 - binomial(n - wrong, k64) / binomial(n, k64);
        prop_assert!((detection_probability(n, wrong, k) - expected).abs() < 1e-9);
    }

    #[test]
    fn the_sample_size_is_the_smallest_that_reaches_its_target(
        n in 1u64..5_000, wrong in 1u64..200, target in 0.01f64..0.999,
    ) {
        let wrong = wrong.min(n);
        let k = sample_size_for(n, wrong, target).expect("all n steps are fewer than MAX_SAMPLE");
        // The two sides round their products in the same order, so no tolerance is needed.
        prop_assert!(detection_probability(n, wrong, k) >= target);
        prop_assert!(detection_probability(n, wrong, k - 1) < target);
    }

    #[test]
    fn the_smallest_honest_stake_is_honest_and_one_less_is_not(
        payment in any::<u32>(), gain in any::<u32>(), audit_ppm in 1u32..=PPM,
    ) {
        let (payment, gain) = (u64::from(payment), u64::from(gain));
        let stake = min_stake_for_honesty(payment, gain, audit_ppm).unwrap();
        prop_assert!(honesty_holds(stake, payment, gain, audit_ppm));
        if stake > 0 {
            prop_assert!(!honesty_holds(stake - 1, payment, gain, audit_ppm));
        }
    }

    #[test]
    fn stakes_never_overflow(a in any::<u64>(), b in any::<u64>(), c in any::<u64>(), p in any::<u32>()) {
        // S > g/p − R with real numbers; exact only where f64 can tell the sides apart.
        let holds = honesty_holds(a, b, c, p);
        let (lhs, rhs) = (f64::from(p.min(PPM)) * (a as f64 + b as f64), c as f64 * f64::from(PPM));
        if (lhs - rhs).abs() > 1e-6 * lhs.max(rhs) {
            prop_assert_eq!(holds, lhs > rhs);
        }
        min_stake_for_honesty(b, c, p);
    }
}

#[test]
fn an_audit_chance_of_zero_makes_nobody_honest() {
    assert!(!honesty_holds(u64::MAX, u64::MAX, 0, 0));
    assert_eq!(min_stake_for_honesty(5, 1, 0), None);
    assert_eq!(min_stake_for_honesty(0, u64::MAX, 1), None);
}

/// A sample that depended on its seed too little would show here: over 4,000 seeds each of 20 steps must come
/// up close to a quarter of the time (5 of 20; standard deviation 27, bound at five of them).
#[test]
fn every_step_is_sampled_equally_often() {
    const SEEDS: u64 = 4_000;
    let mut counts = [0u32; 20];
    for i in 0..SEEDS {
        let seed = sample_seed(&[1; 32], &[2; 32], &[3; 32], &[&i.to_le_bytes()]);
        for step in sample_steps(&seed, 20, 5) {
            counts[step as usize] += 1;
        }
    }
    for (step, count) in counts.iter().enumerate() {
        assert!(
            (865..=1135).contains(count),
            "step {step} came up {count} times"
        );
    }
}

/// Moving a byte from one source to the next, or a field into another, gives another seed.
#[test]
fn seeds_bind_each_source_apart() {
    let base = sample_seed(&[1; 32], &[2; 32], &[3; 32], &[b"ab", b"c"]);
    assert_ne!(
        base,
        sample_seed(&[1; 32], &[2; 32], &[3; 32], &[b"a", b"bc"])
    );
    assert_ne!(
        base,
        sample_seed(&[2; 32], &[1; 32], &[3; 32], &[b"ab", b"c"])
    );
    assert_ne!(base, sample_seed(&[1; 32], &[2; 32], &[3; 32], &[b"abc"]));
}

/// One wrong result in a hundred is found by 32 of 1,000 samples in 28 % of audits; half wrong, always.
#[test]
fn detection_figures_in_the_documents_hold() {
    assert!((detection_probability(1_000, 10, 32) - 0.2785).abs() < 5e-4);
    assert!(detection_probability(1_000, 500, 32) > 0.999_999_99);
    assert!(detection_probability(1_000, 100, 32) > 0.96);
}
