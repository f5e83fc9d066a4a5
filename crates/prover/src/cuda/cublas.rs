//! cuBLASLt's int8 product, int32 sums.

use std::{ffi::c_void, sync::Arc};

use cudarc::{
    cublaslt::{result, sys},
    driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut},
};

use crate::ProveError;

/// Scratch memory that an algorithm may use, bytes.
const WORKSPACE: usize = 32 << 20;

pub struct Igemm {
    handle: sys::cublasLtHandle_t,
    stream: Arc<CudaStream>,
    workspace: CudaSlice<u8>,
}
// SAFETY: a cuBLASLt handle may be used from any thread, one at a time.
unsafe impl Send for Igemm {}

fn failed(error: result::CublasError) -> ProveError {
    ProveError::Gpu(format!("cuBLASLt: {error:?}"))
}

impl Igemm {
    pub fn open(stream: &Arc<CudaStream>) -> Result<Self, ProveError> {
        // SAFETY: only looks whether the library can be opened.
        if !unsafe { sys::is_culib_present() } {
            return Err(ProveError::Unavailable("cuBLASLt isn't here".into()));
        }
        let workspace = stream.alloc_zeros::<u8>(WORKSPACE)?;
        let handle = result::create_handle().map_err(failed)?;
        Ok(Self {
            handle,
            stream: stream.clone(),
            workspace,
        })
    }

    /// C = A·B for `rows` rows. A row-major product is the column-major Cᵀ = Bᵀ·Aᵀ: B's columns and A's rows are both
    /// contiguous in k, the one layout that the integer kernels take.
    pub fn multiply(
        &mut self,
        a: &CudaSlice<u32>,
        b: &CudaSlice<u32>,
        n: u32,
        rows: u32,
        c: &mut CudaSlice<i32>,
    ) -> Result<(), ProveError> {
        use sys::{cublasLtMatmulDescAttributes_t as D, cudaDataType as T};
        // cuBLASLt works in the calling thread's context, which may be another device's.
        self.stream.context().bind_to_thread()?;
        let (n, rows) = (u64::from(n), u64::from(rows));
        let mut made = Made::default();
        let mut run = |made: &mut Made| -> Result<(), result::CublasError> {
            let description = result::create_matmul_desc(
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32I,
                T::CUDA_R_32I,
            )?;
            made.description = Some(description);
            // cublasOperation_t's CUBLAS_OP_T.
            let transpose = 1_i32;
            // SAFETY: a description just made, and an attribute of its own size.
            unsafe {
                result::set_matmul_desc_attribute(
                    description,
                    D::CUBLASLT_MATMUL_DESC_TRANSA,
                    (&raw const transpose).cast(),
                    size_of_val(&transpose),
                )?;
            }
            for (kind, height, width) in [
                (T::CUDA_R_8I, n, n),
                (T::CUDA_R_8I, n, rows),
                (T::CUDA_R_32I, n, rows),
            ] {
                made.layouts
                    .push(result::create_matrix_layout(kind, height, width, n as i64)?);
            }
            let workspace_size = WORKSPACE;
            let preference = result::create_matmul_pref()?;
            made.preference = Some(preference);
            // SAFETY: as above.
            unsafe {
                result::set_matmul_pref_attribute(
                    preference,
                    sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                    (&raw const workspace_size).cast(),
                    size_of::<usize>(),
                )?;
            }
            let [left, right, out] = made.layouts[..] else {
                return Ok(());
            };
            let (one, zero) = (1_i32, 0_i32);
            let (a, _a) = a.device_ptr(&self.stream);
            let (b, _b) = b.device_ptr(&self.stream);
            let (c, _c) = c.device_ptr_mut(&self.stream);
            let (workspace, _w) = self.workspace.device_ptr_mut(&self.stream);
            // SAFETY: layouts as described above: b is n·n bytes, a rows·n bytes, c rows·n cells.
            unsafe {
                let found = result::get_matmul_algo_heuristic(
                    self.handle,
                    description,
                    left,
                    right,
                    out,
                    out,
                    preference,
                )?;
                result::matmul(
                    self.handle,
                    description,
                    (&raw const one).cast(),
                    (&raw const zero).cast(),
                    b as *const c_void,
                    left,
                    a as *const c_void,
                    right,
                    c as *const c_void,
                    out,
                    c as *mut c_void,
                    out,
                    &raw const found.algo,
                    workspace as *mut c_void,
                    WORKSPACE,
                    self.stream.cu_stream() as *mut _,
                )
            }
        };
        run(&mut made).map_err(failed)
    }
}

impl Drop for Igemm {
    fn drop(&mut self) {
        // SAFETY: made in `open`, used nowhere else.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

/// What must be freed.
#[derive(Default)]
struct Made {
    description: Option<sys::cublasLtMatmulDesc_t>,
    preference: Option<sys::cublasLtMatmulPreference_t>,
    layouts: Vec<sys::cublasLtMatrixLayout_t>,
}

impl Drop for Made {
    fn drop(&mut self) {
        // SAFETY: each was made once, and is freed once.
        unsafe {
            for layout in self.layouts.drain(..) {
                let _ = result::destroy_matrix_layout(layout);
            }
            if let Some(preference) = self.preference.take() {
                let _ = result::destroy_matmul_pref(preference);
            }
            if let Some(description) = self.description.take() {
                let _ = result::destroy_matmul_desc(description);
            }
        }
    }
}
