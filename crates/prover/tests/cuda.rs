//! The CUDA kernels. Three things need no GPU: the compiler assembles them for every architecture (`./x setup` fetches it, and IO_NVRTC_DIR
//! names its folder), a host's compiler runs all of them, and the products on a model of a block (`cuda/host.cpp`).
//! On a machine with an NVIDIA GPU: `cargo nextest run --run-ignored all --test cuda`.

use std::{collections::BTreeMap, path::PathBuf, process::Command, sync::atomic::AtomicBool};

use io_proof::hardware::{
    Hash, Shape,
    memory::{Walk, segment},
    reference,
    tree::row_root,
};
use io_prover::{
    Backend, ProveError, checker,
    cpu::{Cpu, Kernel},
    cuda::{self, ARCHITECTURES, Compiled, Gpu, NVRTC_DIR, SOURCE},
    memory, prove,
};

const KERNELS: [&str; 7] = [
    "expand",
    "leaves",
    "nodes",
    "fill",
    "walk",
    "gemm_dp4a",
    "gemm_mma",
];

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

/// A folder that has a part of the compiler only is named at once, with what it lacks.
#[test]
fn a_compiler_without_its_builtins_is_none() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("half-a-compiler");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("libnvrtc.so.12"), "").unwrap();
    // SAFETY: each test is a process of its own, and this is its first use of the environment.
    unsafe { std::env::set_var(NVRTC_DIR, &folder) };
    let Err(ProveError::Unavailable(why)) = cuda::open_compiler() else {
        panic!("half a compiler was taken for one");
    };
    let named = folder.to_str().unwrap();
    assert!(
        why.contains("libnvrtc-builtins.so") && why.contains(named),
        "{why}"
    );
}

fn compile(target: &str) -> Compiled {
    match cuda::compile(target) {
        Ok(compiled) => compiled,
        Err(ProveError::Unavailable(why)) => panic!("{why}; ./x setup fetches it"),
        Err(error) => panic!("{error}"),
    }
}

/// Machine code for an NVIDIA GPU: an ELF file.
struct Cubin {
    architecture: u32,
    sections: BTreeMap<String, Vec<u8>>,
}

impl Cubin {
    fn parse(bytes: &[u8]) -> Self {
        let number = |at: usize, len: usize| -> usize {
            let le = bytes[at..at + len].iter().rev();
            le.fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        // The header and the section headers of a 64-bit ELF file, by their offsets.
        assert_eq!(bytes[..5], *b"\x7fELF\x02", "64-bit ELF");
        assert_eq!(number(18, 2), 190, "EM_CUDA");
        let flags = number(48, 4) as u32;
        // The architecture moved a byte up with version 8 of the format.
        let architecture = if bytes[8] < 8 { flags } else { flags >> 8 } & 0xff;
        let (headers, count, names) = (number(40, 8), number(60, 2), number(62, 2));
        let header = |index: usize| headers + index * 64;
        let names = number(header(names) + 24, 8);
        let sections = (0..count).map(|index| {
            let at = header(index);
            let name = bytes[names + number(at, 4)..].split(|byte| *byte == 0);
            let name = String::from_utf8(name.take(1).flatten().copied().collect()).unwrap();
            let (kind, from, size) = (number(at + 4, 4), number(at + 24, 8), number(at + 32, 8));
            // SHT_NOBITS has a size and no bytes.
            let held = if kind == 8 { 0 } else { size };
            (name, bytes[from..from + held].to_vec())
        });
        Self {
            architecture,
            sections: sections.collect(),
        }
    }

    /// Instructions of a kernel with this operation, the low 12 of an instruction's 128 bits.
    fn count(&self, kernel: &str, operation: u16) -> usize {
        let code = self.sections[&format!(".text.{kernel}")].as_chunks::<16>();
        assert!(code.1.is_empty() && !code.0.is_empty(), "{kernel}");
        let operations = code
            .0
            .iter()
            .map(|i| u16::from_le_bytes([i[0], i[1]]) & 0xfff);
        operations.filter(|found| *found == operation).count()
    }
}

/// The tensor cores' product of int8, and the sum of four products of bytes.
const IMMA: u16 = 0x237;
const IDP4A: u16 = 0x226;

/// What the assembler says of a kernel.
#[derive(Debug, Default, Clone, Copy)]
struct Needs {
    registers: u32,
    shared: u32,
    spilled: u32,
}

fn needs(log: &str) -> BTreeMap<&str, Needs> {
    // The number before some words.
    let before = |line: &str, words: &str| -> Option<u32> {
        line.split_once(words)?
            .0
            .split_whitespace()
            .next_back()?
            .parse()
            .ok()
    };
    let (mut all, mut kernel) = (BTreeMap::<_, Needs>::new(), None);
    for line in log.lines() {
        if let Some((_, name)) = line.split_once("Compiling entry function '") {
            kernel = name.split('\'').next();
        }
        let Some(kernel) = kernel else { continue };
        if let Some(stores) = before(line, " bytes spill stores") {
            let loads = before(line, " bytes spill loads").unwrap();
            all.entry(kernel).or_default().spilled = stores + loads;
        }
        if let Some(registers) = before(line, " registers") {
            let needs = all.entry(kernel).or_default();
            needs.registers = registers;
            needs.shared = before(line, " bytes smem").unwrap_or(0);
        }
    }
    all
}

/// The assembler takes every instruction, and what a launch asks for is there: no register is spilled, two blocks of 256 threads fit a
/// multiprocessor's 65,536 registers, and shared memory stays below the 48 KiB that need no asking.
fn assembles(architecture: i32) {
    with_compiler();
    let compiled = compile(&format!("sm_{architecture}"));
    let cubin = Cubin::parse(&compiled.image);
    assert_eq!(cubin.architecture, architecture as u32);
    let needs = needs(&compiled.log);
    assert_eq!(needs.len(), KERNELS.len(), "{}", compiled.log);
    let tensor = architecture >= 80;
    for kernel in KERNELS {
        let Needs {
            registers,
            shared,
            spilled,
        } = needs[kernel];
        println!(
            "sm_{architecture} {kernel}: {registers} registers, {shared} bytes of shared memory"
        );
        assert!(
            (1..=128).contains(&registers),
            "{kernel}: {registers} registers"
        );
        assert_eq!(spilled, 0, "{kernel}");
        // A line of 64 bytes takes 80. 128 lines of A and of B, once, or twice where copies overlap products.
        let expected = match kernel {
            "gemm_dp4a" => 2 * 128 * 80,
            "gemm_mma" if tensor => 2 * 2 * 128 * 80,
            _ => 0,
        };
        assert_eq!(shared, expected, "{kernel}");
        assert!(shared < 48 << 10, "{kernel}");
        // A warp's 64 × 32 cells in tiles of 16 × 8, for two steps of 32; a thread's 8 × 8 cells, for four words at a time.
        let products = match kernel {
            "gemm_mma" if tensor => (2 * 4 * 4, 0),
            "gemm_dp4a" => (0, 4 * 8 * 8),
            _ => (0, 0),
        };
        let found = (cubin.count(kernel, IMMA), cubin.count(kernel, IDP4A));
        assert_eq!(found, products, "{kernel}");
    }
}

/// A test, and so a process, for each: they take seconds.
macro_rules! assembled {
    ($($name:ident: $architecture:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            assembles($architecture);
        })*

        #[test]
        fn every_architecture_is_assembled() {
            assert_eq!(ARCHITECTURES, [$($architecture),*]);
        }
    };
}
assembled! {
    the_kernels_assemble_for_turing: 75,
    the_kernels_assemble_for_ampere: 80,
    the_kernels_assemble_for_amperes_small_chips: 86,
    the_kernels_assemble_for_ada: 89,
    the_kernels_assemble_for_hopper: 90,
    the_kernels_assemble_for_blackwell: 100,
    the_kernels_assemble_for_blackwells_small_chips: 120,
}

#[test]
fn a_gpu_that_is_not_known_gets_the_ptx_of_one_before_it() {
    let of = |major, minor| cuda::target((major, minor)).unwrap();
    assert_eq!(of(7, 5), "sm_75");
    assert_eq!(of(9, 0), "sm_90");
    assert_eq!(of(8, 7), "compute_86");
    assert_eq!(of(10, 3), "compute_100");
    assert_eq!(of(13, 0), "compute_120");
    let error = cuda::target((7, 0)).unwrap_err().to_string();
    assert!(error.contains("7.5 or newer"), "{error}");

    with_compiler();
    let ptx = String::from_utf8(compile(&of(10, 3)).image).unwrap();
    assert!(ptx.ends_with('\0'), "the driver reads to a zero");
    assert!(ptx.contains(".target sm_100"));
    for kernel in KERNELS {
        assert!(ptx.contains(&format!(".entry {kernel}(")), "{kernel}");
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

/// The kernels as a program of this host, in a folder that is gone afterwards.
struct Host {
    folder: PathBuf,
}

impl Host {
    fn build() -> Self {
        let folder = std::env::temp_dir().join(format!("io-kernels-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let host = Self { folder };
        std::fs::write(host.path("kernels.cu"), SOURCE).unwrap();
        std::fs::write(host.path("host.cpp"), include_str!("cuda/host.cpp")).unwrap();
        // What C++ leaves undefined ends the program: an index outside its array, an address that isn't aligned, a sum that overflows.
        // Words of bytes are read as they are on the GPU, whatever type they were written as.
        host.run(
            Command::new("c++")
                .args(["-O2", "-std=c++17", "-w", "-fno-strict-aliasing"])
                .args(["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"])
                .args(["-o", "host", "host.cpp"]),
        );
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn run(&self, command: &mut Command) -> String {
        let out = command.current_dir(&self.folder).output().unwrap();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(
            out.status.success(),
            "{command:?}: {}: {errors}",
            out.status
        );
        String::from_utf8(out.stdout).unwrap()
    }

    fn command(&self) -> Command {
        Command::new(self.path("host"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Hashing, expansion and the walk are plain C++: run here by the host's compiler, they yield the definition's bits.
#[test]
fn the_kernels_that_need_no_gpu_yield_the_definitions_bits() {
    let seed = [0x5a; 32];
    let walk = Walk {
        seed,
        segments: 3,
        strides: 40,
    };
    let path = walk.path(&[0x33; 32]);
    let host = Host::build();
    let way = [path.first, path.key, path.graph].map(|word| word.to_string());
    let out = host.run(host.command().arg("hashes").args(way));
    let lines: Vec<_> = out.lines().collect();
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
    for (name, (found, expected)) in KERNELS.iter().zip(lines.iter().zip(&expected)) {
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(lines.len(), expected.len());
}

/// The order of a block's threads, and when their copies to shared memory arrive: at once, or not before they are waited for.
type Way = (&'static str, &'static str);
const WAYS: [Way; 2] = [("forward", "late"), ("reversed", "eager")];

/// What no kernel writes.
const UNTOUCHED: i32 = 0x5555_5555;

/// Lines of A and of B, n bytes each, and where in their matrices they are.
struct Factors {
    n: usize,
    row: usize,
    column: usize,
    a: Vec<i8>,
    b: Vec<i8>,
}

impl Factors {
    /// From the first row and column on.
    fn of(n: usize, a: Vec<i8>, b: Vec<i8>) -> Self {
        Self {
            n,
            row: 0,
            column: 0,
            a,
            b,
        }
    }

    fn rows(&self) -> usize {
        self.a.len() / self.n
    }

    fn columns(&self) -> usize {
        self.b.len() / self.n
    }

    /// By definition.
    fn product(&self) -> Vec<i32> {
        let dot = |x: &[i8], y: &[i8]| -> i32 {
            let pairs = x.iter().zip(y);
            pairs.map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
        };
        let mut cells = Vec::new();
        for a in self.a.chunks_exact(self.n) {
            cells.extend(self.b.chunks_exact(self.n).map(|b| dot(a, b)));
        }
        cells
    }

    /// By the kernel, on the host: the cells, and that no others were written.
    fn emulated(&self, host: &Host, kernel: &str, (order, copies): Way) -> Vec<i32> {
        let bytes = |values: &[i8]| values.iter().map(|value| *value as u8).collect::<Vec<_>>();
        std::fs::write(host.path("a"), bytes(&self.a)).unwrap();
        std::fs::write(host.path("b"), bytes(&self.b)).unwrap();
        let Self { n, row, column, .. } = *self;
        let numbers =
            [n, row, self.rows(), column, self.columns()].map(|number| number.to_string());
        host.run(
            host.command()
                .args(["product", kernel, order, copies])
                .args(numbers)
                .args(["a", "b", "c"]),
        );
        let c = std::fs::read(host.path("c")).unwrap();
        let cells: Vec<_> = c
            .as_chunks::<4>()
            .0
            .iter()
            .map(|cell| i32::from_le_bytes(*cell))
            .collect();
        assert_eq!(cells.len(), self.rows() * n);
        let (mut within, mut outside) = (Vec::new(), Vec::new());
        for line in cells.chunks_exact(n) {
            within.extend_from_slice(&line[column..column + self.columns()]);
            outside.extend_from_slice(&line[..column]);
            outside.extend_from_slice(&line[column + self.columns()..]);
        }
        assert!(outside.iter().all(|cell| *cell == UNTOUCHED));
        within
    }

    /// That the kernel yields these cells in one way that a GPU may run it.
    fn check(&self, host: &Host, kernel: &str, way: Way, expected: &[i32]) {
        let found = self.emulated(host, kernel, way);
        assert_eq!(found.len(), expected.len());
        let mut cells = found.iter().zip(expected);
        let wrong = cells.position(|(found, expected)| found != expected);
        let columns = self.columns();
        let at = wrong.map(|at| (self.row + at / columns, self.column + at % columns));
        assert_eq!(
            at, None,
            "{kernel}, n = {}, {way:?}: row and column of the first wrong cell",
            self.n
        );
    }
}

/// Bytes of a seed's stream, as int8.
fn values(seed: u8, count: usize) -> Vec<i8> {
    let mut bytes = vec![0; count];
    reference::stream(&[seed; 32], 0, &mut bytes);
    bytes.iter().map(|byte| (byte ^ 0x80) as i8).collect()
}

/// A product's kernel, run on the host by the ISA's rules for barriers, copies and fragments, yields the CPU's cells and its row roots;
/// and by definition those of other sizes, of the extreme values, and of the last tile of the largest matrix.
fn the_product_yields_the_cpus_cells(kernel: &str) {
    let host = Host::build();
    let cpu = Cpu::new(Kernel::Portable, 2);
    for n in [128, 256_u32] {
        let size = n as usize;
        let (a, b) = (values(1, size * size), values(2, size * size));
        let factors = Factors::of(size, a, b);
        let lines: Vec<_> = (0..n).map(|row| ([1; 32], row)).collect();
        let expected = cpu.rows(&[2; 32], n, &lines).concat();
        for way in WAYS {
            factors.check(&host, kernel, way, &expected);
        }
        let mut loaded = cpu.load(&[2; 32], n).unwrap();
        let roots = loaded.row_roots(&[1; 32], &AtomicBool::new(false)).unwrap();
        let found: Vec<_> = expected.chunks_exact(size).map(row_root).collect();
        assert_eq!(found, roots);
    }
    // Not a power of two, and fewer rows than columns, as in a slab.
    let (n, rows) = (384, 256);
    let drawn = values(3, n * n).into_iter();
    let drawn: Vec<i8> = drawn.map(|x| if x < 0 { -128 } else { 127 }).collect();
    for (a, b) in [
        (values(4, rows * n), values(5, n * n)),
        (vec![-128; rows * n], vec![-128; n * n]),
        (vec![-128; rows * n], vec![127; n * n]),
        (drawn[n..][..rows * n].to_vec(), drawn),
    ] {
        let factors = Factors::of(n, a, b);
        let expected = factors.product();
        for way in WAYS {
            factors.check(&host, kernel, way, &expected);
        }
    }
    // Indices reach 2³⁰ here, and the sum of the least values is the greatest that there is, 2²⁹.
    let (n, tile) = (32_768, 128);
    let mut last = Factors {
        row: n - tile,
        column: n - tile,
        ..Factors::of(n, values(6, tile * n), values(7, tile * n))
    };
    last.a[..n].fill(-128);
    last.b[..n].fill(-128);
    let expected = last.product();
    assert_eq!(expected[0], 1 << 29);
    last.check(&host, kernel, WAYS[0], &expected);
}

#[test]
fn the_product_for_every_gpu_yields_the_cpus_cells() {
    the_product_yields_the_cpus_cells("gemm_dp4a");
}

#[test]
fn the_tensor_cores_product_yields_the_cpus_cells() {
    the_product_yields_the_cpus_cells("gemm_mma");
}

#[test]
#[ignore = "needs an NVIDIA GPU and its driver"]
fn the_gpu_yields_the_definitions_bits() {
    with_compiler();
    let mut gpu = Gpu::open(0).unwrap();
    let go = AtomicBool::new(false);
    for n in [128, 256, 1_024, 4_096] {
        let shape = Shape { n, passes: 2 };
        let (round, device): (Hash, Hash) = ([n as u8; 32], [2; 32]);
        let cpu = Cpu::new(Kernel::best(), 16);
        let expected = prove(&cpu, &round, &device, shape, &go).unwrap();
        for product in gpu.products() {
            gpu = gpu.with_product(product).unwrap();
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
