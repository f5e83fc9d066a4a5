//! NVIDIA GPUs. Nothing is linked: the driver, the compiler (NVRTC) and cuBLASLt are opened when they are there.
//!
//! Products come from the fastest of three that are timed once on the device: `__dp4a`, the tensor cores' `mma`, and
//! cuBLASLt's. C lives in slabs of rows, is hashed on the GPU, and only row roots come back.

use std::{
    ffi::{CStr, CString},
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool, atomic::Ordering},
    time::Instant,
};

use cudarc::{
    driver::{
        CudaContext, CudaFunction, CudaSlice, CudaStream, DriverError, LaunchConfig, PushKernelArg,
    },
    nvrtc::{
        Ptx,
        result::{self as nvrtc, NvrtcError},
        sys as nvrtc_sys,
    },
};
use io_proof::hardware::{
    Hash,
    memory::{MemoryError, PARENTS, STRIDE, Walk},
};

use crate::{Backend, Loaded, ProveError};

mod cublas;

/// The kernels' source.
pub const SOURCE: &str = include_str!("kernels.cu");
/// Compute capabilities, times ten, that the kernels are compiled to machine code for; ascending. The tests assemble them for each.
pub const ARCHITECTURES: [i32; 7] = [75, 80, 86, 89, 90, 100, 120];
/// The folder of NVRTC, where it isn't on the loader's path.
pub const NVRTC_DIR: &str = "IO_NVRTC_DIR";
/// Rows of C that are on the device at once: 2 GiB at the largest n.
const SLAB: u32 = 16_384;
/// The products' tile; smaller matrices are the CPU's.
const LEAST_N: u32 = 128;

impl From<DriverError> for ProveError {
    fn from(error: DriverError) -> Self {
        Self::Gpu(format!("{error:?}"))
    }
}

/// Opens NVRTC from the folder that [`NVRTC_DIR`] names, or from the loader's path.
pub fn open_compiler() -> Result<(), ProveError> {
    if let Some(folder) = std::env::var_os(NVRTC_DIR) {
        let folder = Path::new(&folder);
        // Once a library is in the process, the loader finds it by its name.
        let entries = std::fs::read_dir(folder).map_err(|e| {
            ProveError::Unavailable(format!("{NVRTC_DIR}: {}: {e}", folder.display()))
        })?;
        let builtins: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with("libnvrtc-builtins.so."))
            })
            .collect();
        if builtins.is_empty() {
            return Err(ProveError::Unavailable(format!(
                "{NVRTC_DIR}: no libnvrtc-builtins.so.* is in {}: the compiler can't do without it",
                folder.display()
            )));
        }
        for path in builtins.into_iter().chain([folder.join("libnvrtc.so.12")]) {
            // SAFETY: NVIDIA's compiler; its initialisers have no conditions.
            let library = unsafe { libloading::os::unix::Library::open(Some(&path), 0x102) }
                .map_err(|e| ProveError::Unavailable(format!("{NVRTC_DIR}: {e}")))?;
            std::mem::forget(library);
        }
    }
    // SAFETY: only looks whether the library can be opened.
    if unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        Ok(())
    } else {
        Err(ProveError::Unavailable(format!(
            "the CUDA compiler (libnvrtc) isn't here: install CUDA 12's NVRTC, or name its folder in {NVRTC_DIR}"
        )))
    }
}

fn driver() -> Result<(), ProveError> {
    // SAFETY: only looks whether the library can be opened.
    if unsafe { cudarc::driver::sys::is_culib_present() } {
        Ok(())
    } else {
        Err(ProveError::Unavailable(
            "the NVIDIA driver (libcuda) isn't here: the CPU is used".into(),
        ))
    }
}

/// CUDA's number of the GPU whose UUID is the one wanted. NVML, which lists them, counts GPUs in another order, and also those that
/// `CUDA_VISIBLE_DEVICES` hides.
pub fn ordinal_of(is: impl Fn(&str) -> bool) -> Result<usize, ProveError> {
    driver()?;
    cudarc::driver::result::init()?;
    for ordinal in 0..cudarc::driver::result::device::get_count()? {
        let gpu = cudarc::driver::result::device::get(ordinal)?;
        let mut uuid = cudarc::driver::sys::CUuuid { bytes: [0; 16] };
        // The first version of this call names the whole GPU also where one sees a part of it (MIG).
        // SAFETY: a device that CUDA has just named, and a place for its UUID.
        unsafe { cudarc::driver::sys::cuDeviceGetUuid_v2(&raw mut uuid, gpu).result()? };
        if is(&uuid_text(uuid.bytes.map(|byte| byte as u8))) {
            return Ok(ordinal as usize);
        }
    }
    Err(ProveError::Unavailable(
        "CUDA doesn't see this GPU: CUDA_VISIBLE_DEVICES hides it, or it is divided (MIG)".into(),
    ))
}

/// A GPU's UUID as NVIDIA's tools write it.
fn uuid_text(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let [a, b, c, d, e] = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    format!("GPU-{a}-{b}-{c}-{d}-{e}")
}

/// What the kernels are compiled for on a GPU of this compute capability. Machine code where the GPU is known: a driver of the compiler's
/// major version loads it even if it is older, which it refuses PTX for. Otherwise the PTX of the newest before it, which the driver assembles.
pub fn target(capability: (i32, i32)) -> Result<String, ProveError> {
    let number = capability.0 * 10 + capability.1;
    let older = ARCHITECTURES.iter().rfind(|known| **known <= number);
    match older {
        Some(known) if *known == number => Ok(format!("sm_{number}")),
        Some(known) => Ok(format!("compute_{known}")),
        None => Err(ProveError::Unavailable(format!(
            "this GPU has compute capability {}.{}; 7.5 or newer is supported",
            capability.0, capability.1
        ))),
    }
}

/// The kernels for one target.
pub struct Compiled {
    /// What the driver loads: an ELF file of machine code for `sm_…`, PTX with a zero at its end for `compute_…`.
    pub image: Vec<u8>,
    /// The compiler's word on each kernel of an `sm_…`: registers, spills, shared memory.
    pub log: String,
}

/// A program of NVRTC's, destroyed when it is dropped.
struct Program(nvrtc_sys::nvrtcProgram);

impl Program {
    fn log(&self) -> String {
        // SAFETY: a program that was created and is not destroyed.
        let log = unsafe { nvrtc::get_program_log(self.0) }.unwrap_or_default();
        let bytes: Vec<u8> = log.into_iter().map(|byte| byte as u8).collect();
        let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
        text.to_string_lossy().into_owned()
    }

    /// Machine code of a program that was compiled for an `sm_…`.
    fn cubin(&self) -> Result<Vec<u8>, NvrtcError> {
        let mut size = 0;
        // SAFETY: a compiled program, and a place for as many bytes as it says.
        unsafe {
            nvrtc_sys::nvrtcGetCUBINSize(self.0, &raw mut size).result()?;
            let mut image = vec![0_u8; size];
            nvrtc_sys::nvrtcGetCUBIN(self.0, image.as_mut_ptr().cast()).result()?;
            Ok(image)
        }
    }

    fn ptx(&self) -> Result<Vec<u8>, NvrtcError> {
        // SAFETY: a compiled program.
        let text = unsafe { nvrtc::get_ptx(self.0) }?;
        Ok(text.into_iter().map(|byte| byte as u8).collect())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: created once, destroyed here.
        let _ = unsafe { nvrtc::destroy_program(self.0) };
    }
}

/// Compiles the kernels for one [`target`]. Needs no GPU.
pub fn compile(target: &str) -> Result<Compiled, ProveError> {
    open_compiler()?;
    let failed = |what: &dyn std::fmt::Display| {
        ProveError::Gpu(format!("the kernels don't compile for {target}: {what}"))
    };
    let source = CString::new(SOURCE).map_err(|error| failed(&error))?;
    let program = Program(
        nvrtc::create_program(&source, Some(c"kernels.cu")).map_err(|error| failed(&error))?,
    );
    let options = [
        format!("--gpu-architecture={target}"),
        "--std=c++17".into(),
        "--ptxas-options=-v".into(),
    ];
    // SAFETY: a program just created.
    unsafe { nvrtc::compile_program(program.0, &options) }
        .map_err(|error| failed(&format!("{error}\n{}", program.log())))?;
    let image = if target.starts_with("sm_") {
        program.cubin()
    } else {
        program.ptx()
    };
    Ok(Compiled {
        image: image.map_err(|error| failed(&error))?,
        log: program.log(),
    })
}

/// A seed as the kernels take it: eight big-endian words, by value.
#[repr(C)]
#[derive(Clone, Copy)]
struct Seed([u32; 8]);
// SAFETY: plain words, laid out as the kernels' `struct Seed`.
unsafe impl cudarc::driver::DeviceRepr for Seed {}

impl From<&Hash> for Seed {
    fn from(hash: &Hash) -> Self {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(hash.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        Self(words)
    }
}

/// How products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    Dp4a,
    Mma,
    CublasLt,
}

struct Kernels {
    expand: CudaFunction,
    leaves: CudaFunction,
    nodes: CudaFunction,
    fill: CudaFunction,
    walk: CudaFunction,
    dp4a: CudaFunction,
    mma: CudaFunction,
}

/// One GPU.
pub struct Gpu {
    name: String,
    capability: (i32, i32),
    stream: Arc<CudaStream>,
    kernels: Kernels,
    cublas: Option<Mutex<cublas::Igemm>>,
    product: Product,
}

fn blocks(count: u32, threads: u32) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (count.div_ceil(threads), 1, 1),
        block_dim: (threads, 1, 1),
        shared_mem_bytes: 0,
    }
}

impl Gpu {
    /// Opens the GPU with this index of the driver's. The error says what is missing.
    pub fn open(index: usize) -> Result<Self, ProveError> {
        driver()?;
        let context = CudaContext::new(index)?;
        let capability = context.compute_capability()?;
        let compiled = compile(&target(capability)?)?;
        let module = context.load_module(Ptx::from_binary(compiled.image))?;
        let load = |name: &str| module.load_function(name);
        let kernels = Kernels {
            expand: load("expand")?,
            leaves: load("leaves")?,
            nodes: load("nodes")?,
            fill: load("fill")?,
            walk: load("walk")?,
            dp4a: load("gemm_dp4a")?,
            mma: load("gemm_mma")?,
        };
        let stream = context.new_stream()?;
        let cublas = cublas::Igemm::open(&stream).ok().map(Mutex::new);
        let name = context.name()?;
        let mut gpu = Self {
            name,
            capability,
            stream,
            kernels,
            cublas,
            product: Product::Dp4a,
        };
        gpu.product = gpu.fastest()?;
        Ok(gpu)
    }

    /// Products that this GPU can compute.
    pub fn products(&self) -> Vec<Product> {
        let mut products = vec![Product::Dp4a];
        if self.capability >= (8, 0) {
            products.push(Product::Mma);
        }
        if self.cublas.is_some() {
            products.push(Product::CublasLt);
        }
        products
    }

    /// Uses one way to compute products instead of the fastest.
    pub fn with_product(mut self, product: Product) -> Result<Self, ProveError> {
        if !self.products().contains(&product) {
            return Err(ProveError::Unavailable(format!(
                "{} can't compute with {product:?}",
                self.name
            )));
        }
        self.product = product;
        Ok(self)
    }

    fn fastest(&mut self) -> Result<Product, ProveError> {
        let mut best: Option<(f64, Product)> = None;
        let mut failed = None;
        for product in self.products() {
            self.product = product;
            match self.time_product(4_096, 3) {
                Ok(seconds) if best.is_none_or(|(least, _)| seconds < least) => {
                    best = Some((seconds, product));
                }
                Ok(_) => {}
                // One that fails (a library that is newer than the driver) is not used.
                Err(error) => failed = Some(error),
            }
        }
        match (best, failed) {
            (Some((_, product)), _) => Ok(product),
            (None, Some(error)) => Err(error),
            (None, None) => Err(ProveError::Gpu("no product could be computed".into())),
        }
    }

    /// Seconds of one n×n×n product, without expansion and hashing: the best of `rounds`.
    pub fn time_product(&self, n: u32, rounds: u32) -> Result<f64, ProveError> {
        let a = self.expand(&[1; 32], 0, n, n)?;
        let b = self.expand(&[2; 32], 0, n, n)?;
        let slab = SLAB.min(n);
        let mut c = self.stream.alloc_zeros::<i32>(slab as usize * n as usize)?;
        let mut best = f64::MAX;
        for _ in 0..=rounds {
            self.stream.synchronize()?;
            let start = Instant::now();
            for _ in 0..n / slab {
                self.multiply(&a, &b, n, slab, &mut c)?;
            }
            self.stream.synchronize()?;
            best = best.min(start.elapsed().as_secs_f64());
        }
        Ok(best)
    }

    /// `lines` lines of n int8 from line `first`, as words.
    fn expand(
        &self,
        seed: &Hash,
        first: u32,
        lines: u32,
        n: u32,
    ) -> Result<CudaSlice<u32>, ProveError> {
        let (first, count) = (first * (n / 32), lines * (n / 32));
        // SAFETY: written in full below.
        let mut out = unsafe { self.stream.alloc::<u32>(count as usize * 8)? };
        let seed = Seed::from(seed);
        let mut launch = self.stream.launch_builder(&self.kernels.expand);
        launch.arg(&seed).arg(&first).arg(&count).arg(&mut out);
        // SAFETY: the kernel's parameters, and 8 words for each of `count` threads.
        unsafe { launch.launch(blocks(count, 256))? };
        Ok(out)
    }

    fn multiply(
        &self,
        a: &CudaSlice<u32>,
        b: &CudaSlice<u32>,
        n: u32,
        rows: u32,
        c: &mut CudaSlice<i32>,
    ) -> Result<(), ProveError> {
        let kernel = match (self.product, &self.cublas) {
            (Product::CublasLt, Some(cublas)) => {
                let mut cublas = cublas.lock().unwrap_or_else(PoisonError::into_inner);
                return cublas.multiply(a, b, n, rows, c);
            }
            (Product::Mma, _) => &self.kernels.mma,
            _ => &self.kernels.dp4a,
        };
        let mut launch = self.stream.launch_builder(kernel);
        launch.arg(a).arg(b).arg(&n).arg(c);
        let grid = LaunchConfig {
            grid_dim: (n / LEAST_N, rows / LEAST_N, 1),
            block_dim: (256, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: n and rows are multiples of the tile; a holds rows·n bytes, b n·n, c rows·n cells.
        unsafe { launch.launch(grid)? };
        Ok(())
    }

    /// The roots of `rows` rows of cells.
    fn hash(&self, c: &CudaSlice<i32>, n: u32, rows: u32) -> Result<Vec<Hash>, ProveError> {
        let mut count = rows * (n / 32);
        // SAFETY: both are written before they are read.
        let mut level = unsafe { self.stream.alloc::<u32>(count as usize * 8)? };
        let mut launch = self.stream.launch_builder(&self.kernels.leaves);
        launch.arg(c).arg(&count).arg(&mut level);
        // SAFETY: 32 cells and 8 words for each of `count` threads.
        unsafe { launch.launch(blocks(count, 256))? };
        while count > rows {
            count /= 2;
            // SAFETY: as above.
            let mut above = unsafe { self.stream.alloc::<u32>(count as usize * 8)? };
            let mut launch = self.stream.launch_builder(&self.kernels.nodes);
            launch.arg(&level).arg(&count).arg(&mut above);
            // SAFETY: 16 words below and 8 above for each of `count` threads.
            unsafe { launch.launch(blocks(count, 256))? };
            level = above;
        }
        let words = self.stream.clone_dtoh(&level)?;
        Ok(words
            .as_chunks::<8>()
            .0
            .iter()
            .map(|words| {
                let mut hash = [0; 32];
                for (to, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(words) {
                    *to = word.to_le_bytes();
                }
                hash
            })
            .collect())
    }

    /// Free device memory, bytes.
    pub fn free_memory(&self) -> Result<u64, ProveError> {
        // What was freed comes back when everything before it is done.
        self.stream.synchronize()?;
        Ok(self.stream.context().mem_get_info()?.0 as u64)
    }

    /// Fills device memory for a walk.
    pub fn fill(&self, walk: Walk) -> Result<FilledGpu<'_>, ProveError> {
        walk.check()
            .map_err(|error: MemoryError| ProveError::Gpu(error.to_string()))?;
        self.stream.synchronize()?;
        let words =
            usize::try_from(walk.words()).map_err(|_| ProveError::Gpu("too much memory".into()))?;
        // SAFETY: filled in full below.
        let mut memory = unsafe { self.stream.alloc::<u64>(words)? };
        let (seed, first) = (Seed::from(&walk.seed), 0_u64);
        let mut launch = self.stream.launch_builder(&self.kernels.fill);
        launch
            .arg(&seed)
            .arg(&first)
            .arg(&walk.segments)
            .arg(&mut memory);
        // SAFETY: 4 KiB for each of `segments` threads.
        unsafe { launch.launch(blocks(walk.segments as u32, 128))? };
        self.stream.synchronize()?;
        Ok(FilledGpu {
            gpu: self,
            walk,
            memory,
        })
    }
}

/// Device memory, filled for one walk.
pub struct FilledGpu<'a> {
    gpu: &'a Gpu,
    walk: Walk,
    memory: CudaSlice<u64>,
}

impl FilledGpu<'_> {
    /// Walks the way that `reveal` shows: the states.
    pub fn walk(&self, reveal: &Hash) -> Result<Vec<u64>, ProveError> {
        const _: () = assert!(STRIDE == 16 && PARENTS == 8, "as the kernel has them");
        let stream = &self.gpu.stream;
        let mut states = stream.alloc_zeros::<u64>(self.walk.strides as usize + 1)?;
        let (words, path) = (self.walk.words(), self.walk.path(reveal));
        let mut launch = stream.launch_builder(&self.gpu.kernels.walk);
        launch
            .arg(&self.memory)
            .arg(&words)
            .arg(&path.first)
            .arg(&path.key)
            .arg(&path.graph)
            .arg(&self.walk.strides)
            .arg(&mut states);
        // SAFETY: addresses are below `words`, and there is a place for each state.
        unsafe { launch.launch(blocks(1, 1))? };
        Ok(stream.clone_dtoh(&states)?)
    }
}

impl Backend for Gpu {
    fn name(&self) -> String {
        format!("{} ({:?})", self.name, self.product)
    }

    fn load(&self, b_seed: &Hash, n: u32) -> Result<Box<dyn Loaded + '_>, ProveError> {
        io_proof::hardware::cell::check_n(n)?;
        if n < LEAST_N {
            return Err(ProveError::Unavailable(format!(
                "the GPU computes sizes from {LEAST_N}; n is {n}"
            )));
        }
        let b = self.expand(b_seed, 0, n, n)?;
        let slab = SLAB.min(n);
        // SAFETY: written by the product before it is hashed.
        let c = unsafe { self.stream.alloc::<i32>(slab as usize * n as usize)? };
        Ok(Box::new(OnDevice {
            gpu: self,
            n,
            slab,
            b,
            c,
        }))
    }
}

struct OnDevice<'a> {
    gpu: &'a Gpu,
    n: u32,
    slab: u32,
    b: CudaSlice<u32>,
    c: CudaSlice<i32>,
}

impl Loaded for OnDevice<'_> {
    fn row_roots(&mut self, a_seed: &Hash, stop: &AtomicBool) -> Result<Vec<Hash>, ProveError> {
        let mut roots = Vec::with_capacity(self.n as usize);
        for first in (0..self.n).step_by(self.slab as usize) {
            if stop.load(Ordering::Relaxed) {
                return Err(ProveError::Cancelled);
            }
            let a = self.gpu.expand(a_seed, first, self.slab, self.n)?;
            self.gpu
                .multiply(&a, &self.b, self.n, self.slab, &mut self.c)?;
            roots.extend(self.gpu.hash(&self.c, self.n, self.slab)?);
        }
        Ok(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpus_uuid_is_written_as_nvidias_tools_do() {
        let bytes = std::array::from_fn(|at| 0xf0 + at as u8);
        assert_eq!(uuid_text(bytes), "GPU-f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff");
    }
}
