//! The CUDA kernels. Compiling needs no GPU: `./x setup` fetches the compiler, and IO_NVRTC_DIR names its folder.
//! On a machine with an NVIDIA GPU: `cargo nextest run -p io-prover --run-ignored all --test cuda`.

use std::{io::Write, path::PathBuf, process::Command, sync::atomic::AtomicBool};

use io_proof::hardware::{
    Hash, Shape,
    memory::{Walk, segment},
    reference,
    tree::row_root,
};
use io_prover::{
    ProveError, checker,
    cpu::{Cpu, Kernel},
    cuda::{self, ARCHITECTURES, Gpu, NVRTC_DIR, SOURCE},
    memory, prove,
};

/// NVRTC as the set-up keeps it, unless the environment or the system has another.
fn with_compiler() {
    if std::env::var_os(NVRTC_DIR).is_some() {
        return;
    }
    let cache = std::env::var_os("IO_NETWORK_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/io-network")));
    if let Some(folder) = cache
        .map(|cache| cache.join("nvrtc"))
        .filter(|folder| folder.is_dir())
    {
        // SAFETY: each test is a process of its own, and this is its first statement.
        unsafe { std::env::set_var(NVRTC_DIR, folder) };
    }
}

#[test]
fn the_kernels_compile_for_every_architecture() {
    with_compiler();
    for architecture in ARCHITECTURES {
        let ptx = match cuda::compile(architecture) {
            Ok(ptx) => ptx.to_src(),
            Err(ProveError::Unavailable(why)) => panic!("{why}; ./x setup fetches it"),
            Err(error) => panic!("{architecture}: {error}"),
        };
        let target = architecture.replace("compute_", "sm_");
        assert!(ptx.contains(&format!(".target {target}")), "{architecture}");
        for kernel in [
            "expand",
            "leaves",
            "nodes",
            "fill",
            "walk",
            "gemm_dp4a",
            "gemm_mma",
        ] {
            assert!(
                ptx.contains(&format!(".entry {kernel}(")),
                "{architecture} lacks {kernel}"
            );
        }
        assert!(ptx.contains("dp4a.s32.s32"), "{architecture}");
        let tensor = ptx.contains("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32");
        assert_eq!(tensor, architecture != "compute_75", "{architecture}");
    }
}

#[test]
fn a_machine_without_a_gpu_says_what_is_missing() {
    with_compiler();
    match Gpu::open(0) {
        Ok(gpu) => assert!(!gpu.products().is_empty()),
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains("NVIDIA driver") || text.contains("GPU"),
                "{text}"
            );
        }
    }
}

/// What stands around the kernels when a C++ compiler takes them: one thread after another.
const HOST: &str = r#"
#include <cstdio>
#include <cstring>
#include <vector>
#define IO_HOST
#define __constant__ static const
#define __device__
#define __global__
#define __forceinline__ inline
struct Dim { unsigned x, y, z; };
static Dim blockIdx, blockDim, threadIdx;
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned __int128)a * b >> 64; }
"#;
const MAIN: &str = r#"
#define EACH(count, call) blockDim = {1, 1, 1}; for (unsigned i_ = 0; i_ < (count); i_++) { blockIdx = {i_, 0, 0}; call; }
static void print(const void *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) std::printf("%02x", ((const unsigned char *)p)[i]);
    std::printf("\n");
}
int main() {
    Seed seed;
    for (int i = 0; i < 8; i++) seed.w[i] = 0x5a5a5a5a;
    std::vector<u32> a(16 * 8), l(4 * 8), n(2 * 8), m(3 * 1024);
    EACH(16, expand(seed, 7, 16, a.data()));
    print(a.data(), 512);
    EACH(4, leaves(a.data(), 4, l.data()));
    print(l.data(), 128);
    EACH(2, nodes(l.data(), 2, n.data()));
    print(n.data(), 64);
    EACH(3, fill(seed, 0, 3, m.data()));
    print(m.data(), 3 * 4096);
    std::vector<u64> states(41);
    EACH(1, walk((const u64 *)m.data(), 3 * 512, FIRST, KEY, GRAPH, 40, states.data()));
    print(states.data(), 328);
}
"#;

/// Hashing, expansion and the walk are plain C++: run here by the host's compiler, they yield the definition's bits.
#[test]
fn the_kernels_that_need_no_gpu_yield_the_definitions_bits() {
    let folder = std::env::temp_dir().join(format!("io-kernels-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (source, program) = (folder.join("kernels.cpp"), folder.join("kernels"));
    let mut file = std::fs::File::create(&source).unwrap();
    let seed = [0x5a; 32];
    let walk = Walk {
        seed,
        segments: 3,
        strides: 40,
    };
    let path = walk.path(&[0x33; 32]);
    let way = [
        ("FIRST", path.first),
        ("KEY", path.key),
        ("GRAPH", path.graph),
    ]
    .map(|(name, word)| format!("#define {name} {word:#x}ull\n"))
    .concat();
    for part in [HOST, &way, SOURCE, MAIN] {
        file.write_all(part.as_bytes()).unwrap();
    }
    drop(file);
    let built = Command::new("c++")
        .args(["-O1", "-std=c++17", "-w", "-o"])
        .arg(&program)
        .arg(&source)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let out = Command::new(&program).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let lines: Vec<_> = std::str::from_utf8(&out.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };

    let mut a = vec![0; 512];
    reference::stream(&seed, 7, &mut a);
    a.iter_mut().for_each(|byte| *byte ^= 0x80);
    let cells: Vec<i32> = a
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| i32::from_le_bytes(*bytes))
        .collect();
    let row_roots = |width: usize| -> Vec<u8> { cells.chunks(width).flat_map(row_root).collect() };
    let segments: Vec<u64> = (0..3).flat_map(|index| segment(&seed, index)).collect();
    let states = path.walk(|at| segments[at as usize]);
    let bytes = |words: &[u64]| {
        words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let expected = [
        hex(&a),
        hex(&row_roots(32)),
        hex(&row_roots(64)),
        hex(&bytes(&segments)),
        hex(&bytes(&states)),
    ];
    for (name, (found, expected)) in ["expand", "leaves", "nodes", "fill", "walk"]
        .iter()
        .zip(lines.iter().zip(&expected))
    {
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(lines.len(), 5);
}

#[test]
#[ignore = "needs an NVIDIA GPU and its driver"]
fn the_gpu_yields_the_definitions_bits() {
    with_compiler();
    let products = Gpu::open(0).unwrap().products();
    let go = AtomicBool::new(false);
    for n in [128, 256, 1_024, 4_096] {
        let shape = Shape { n, passes: 2 };
        let (round, device): (Hash, Hash) = ([n as u8; 32], [2; 32]);
        let cpu = Cpu::new(Kernel::best(), 16);
        let expected = prove(&cpu, &round, &device, shape, &go).unwrap();
        for product in &products {
            let gpu = Gpu::open(0).unwrap().with_product(*product).unwrap();
            let proof = prove(&gpu, &round, &device, shape, &go).unwrap();
            assert_eq!(
                proof.committed, expected.committed,
                "{product:?} at n = {n}"
            );
            let rows = proof.open(&cpu, &[3; 32], 8);
            let checker = checker(&round, &[3; 32], n, 16).unwrap();
            assert_eq!(checker.check(&proof.committed, 8, &rows), Ok(()));
        }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU and its driver"]
fn the_gpus_walk_is_the_hosts() {
    with_compiler();
    let through = Walk {
        seed: [1; 32],
        segments: 4_096,
        strides: 64,
    };
    let host = memory::fill(through, 4).unwrap().walk(&[2; 32]);
    let gpu = Gpu::open(0).unwrap();
    let device = gpu.fill(through).unwrap().walk(&[2; 32]).unwrap();
    assert_eq!(device, host);
}
