//! BERT's encoder on packed sequences.
//!
//! Passages of a batch are laid end to end in one matrix of tokens × features. Every layer but attention works
//! on tokens alone, so nothing is ever padded: that is most of what a batch of unlike passages costs elsewhere.
//! Attention runs passage by passage on its rows. Matrices are candle's, and candle's `matmul` multiplies them;
//! the steps between are custom operations that change a matrix in place.

use super::fingerprint::Fingerprint;
use super::kernels::{self, LayerNorm};
use crate::error::EngineError;
use crate::spec::Pooling;
use candle_core::{
    CpuStorage, CustomOp1, DType, Device, InplaceOp1, InplaceOp2, Layout, Shape, Tensor,
};
use gemm::Parallelism;
use serde::Deserialize;
use std::collections::HashMap;
use std::ops::Range;

/// What config.json says of a model's shape. Fields that don't change the result are ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: String,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub layer_norm_eps: f64,
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
    #[serde(default = "bert")]
    pub model_type: String,
}

fn absolute() -> String {
    "absolute".into()
}

fn bert() -> String {
    "bert".into()
}

impl Config {
    pub fn from_json(bytes: &[u8]) -> Result<Self, EngineError> {
        let config: Self = serde_json::from_slice(bytes)
            .map_err(|e| EngineError::Model(format!("config.json: {e}")))?;
        let wrong = |what: String| Err(EngineError::Model(format!("config.json: {what}")));
        for (field, value, wanted) in [
            ("model_type", &config.model_type, "bert"),
            ("hidden_act", &config.hidden_act, "gelu"),
            (
                "position_embedding_type",
                &config.position_embedding_type,
                "absolute",
            ),
        ] {
            if value != wanted {
                return wrong(format!(
                    "{field} is {value:?}, and only {wanted:?} is supported"
                ));
            }
        }
        for (field, value, most) in [
            ("vocab_size", config.vocab_size, 2_000_000),
            ("hidden_size", config.hidden_size, 8_192),
            ("num_hidden_layers", config.num_hidden_layers, 96),
            ("num_attention_heads", config.num_attention_heads, 128),
            ("intermediate_size", config.intermediate_size, 65_536),
            (
                "max_position_embeddings",
                config.max_position_embeddings,
                32_768,
            ),
            ("type_vocab_size", config.type_vocab_size, 64),
        ] {
            if value == 0 || value > most {
                return wrong(format!("{field} is {value}; it must be 1 to {most}"));
            }
        }
        if !config
            .hidden_size
            .is_multiple_of(config.num_attention_heads)
        {
            return wrong(format!(
                "hidden_size {} isn't a multiple of num_attention_heads {}",
                config.hidden_size, config.num_attention_heads
            ));
        }
        if !(0.0..1.0).contains(&config.layer_norm_eps) {
            return wrong(format!("layer_norm_eps is {}", config.layer_norm_eps));
        }
        Ok(config)
    }
}

pub struct Bert {
    config: Config,
    words: Vec<f32>,
    /// Position plus the embedding of token type 0, the only type of single passages.
    positions: Vec<f32>,
    embedding_norm: LayerNorm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Query, key and value side by side: features × 3 features.
    qkv: Tensor,
    qkv_bias: Vec<f32>,
    attention_out: Tensor,
    attention_out_bias: Vec<f32>,
    attention_norm: LayerNorm,
    up: Tensor,
    up_bias: Vec<f32>,
    down: Tensor,
    down_bias: Vec<f32>,
    norm: LayerNorm,
}

fn model_error(e: candle_core::Error) -> EngineError {
    EngineError::Model(e.to_string())
}

/// The tensors of a safetensors file, each taken once.
struct Weights {
    tensors: HashMap<String, Tensor>,
    prefix: &'static str,
}

impl Weights {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, EngineError> {
        let name = format!("{}{name}", self.prefix);
        let tensor = self
            .tensors
            .remove(&name)
            .ok_or_else(|| EngineError::Model(format!("model.safetensors has no tensor {name}")))?;
        if tensor.dims() != shape {
            return Err(EngineError::Model(format!(
                "model.safetensors: {name} has shape {:?}, and config.json makes it {shape:?}",
                tensor.dims()
            )));
        }
        match tensor.dtype() {
            DType::F32 | DType::F16 | DType::BF16 | DType::F64 => {
                tensor.to_dtype(DType::F32).map_err(model_error)
            }
            other => Err(EngineError::Model(format!(
                "model.safetensors: {name} holds {other:?}, not floating point"
            ))),
        }
    }

    fn vec(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EngineError> {
        self.take(name, shape)?
            .flatten_all()
            .and_then(|t| t.to_vec1())
            .map_err(model_error)
    }

    fn norm(&mut self, name: &str, config: &Config) -> Result<LayerNorm, EngineError> {
        Ok(LayerNorm {
            weight: self.vec(&format!("{name}.weight"), &[config.hidden_size])?,
            bias: self.vec(&format!("{name}.bias"), &[config.hidden_size])?,
            epsilon: config.layer_norm_eps as f32,
        })
    }

    /// A linear layer's weight as inputs × outputs, and its bias.
    fn linear(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<(Tensor, Vec<f32>), EngineError> {
        let weight = self.take(&format!("{name}.weight"), &[outputs, inputs])?;
        // Laid out as it is used: multiplying by a transposed view costs up to a third of the speed.
        let weight = weight
            .t()
            .and_then(|t| t.contiguous())
            .map_err(model_error)?;
        Ok((weight, self.vec(&format!("{name}.bias"), &[outputs])?))
    }
}

impl Bert {
    pub fn load(config: Config, safetensors: &[u8]) -> Result<Self, EngineError> {
        let tensors = candle_core::safetensors::load_buffer(safetensors, &Device::Cpu)
            .map_err(|e| EngineError::Model(format!("model.safetensors: {e}")))?;
        let prefix = if tensors.contains_key("bert.embeddings.word_embeddings.weight") {
            "bert."
        } else {
            ""
        };
        let mut weights = Weights { tensors, prefix };
        let hidden = config.hidden_size;
        let words = weights.vec(
            "embeddings.word_embeddings.weight",
            &[config.vocab_size, hidden],
        )?;
        let mut positions = weights.vec(
            "embeddings.position_embeddings.weight",
            &[config.max_position_embeddings, hidden],
        )?;
        let types = weights.vec(
            "embeddings.token_type_embeddings.weight",
            &[config.type_vocab_size, hidden],
        )?;
        kernels::add_bias(&mut positions, &types[..hidden]);
        let embedding_norm = weights.norm("embeddings.LayerNorm", &config)?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| Layer::load(&mut weights, &config, &format!("encoder.layer.{i}")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            config,
            words,
            positions,
            embedding_norm,
            layers,
        })
    }

    /// Length of an embedding.
    pub fn dimensions(&self) -> usize {
        self.config.hidden_size
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Embeds passages given by their token ids. Ids must be below the vocabulary's size and passages no longer than the model's
    /// positions; [`super::Model`] sees to it.
    pub fn embed(
        &self,
        passages: &[Sequence<'_>],
        pooling: Pooling,
    ) -> candle_core::Result<Embedded> {
        let hidden = self.config.hidden_size;
        let mut spans = Vec::with_capacity(passages.len());
        let mut tokens = 0;
        for passage in passages {
            spans.push(tokens..tokens + passage.ids.len());
            tokens += passage.ids.len();
        }
        let mut x = Vec::with_capacity(tokens * hidden);
        for passage in passages {
            for (position, id) in passage.ids.iter().enumerate() {
                let word = &self.words[*id as usize * hidden..][..hidden];
                let place = &self.positions[position * hidden..][..hidden];
                x.extend(word.iter().zip(place).map(|(w, p)| w + p));
            }
        }
        kernels::norm(&mut x, &self.embedding_norm);
        let mut x = Tensor::from_vec(x, (tokens, hidden), &Device::Cpu)?;
        for layer in &self.layers {
            x = layer.forward(&x, &spans, self.config.num_attention_heads)?;
        }
        let x: Vec<f32> = x.flatten_all()?.to_vec1()?;

        let mut embedded = Embedded {
            vectors: vec![0.0; passages.len() * hidden],
            ..Embedded::default()
        };
        for ((embedding, span), passage) in embedded
            .vectors
            .chunks_exact_mut(hidden)
            .zip(&spans)
            .zip(passages)
        {
            let state = &x[span.start * hidden..span.end * hidden];
            embedded.fingerprints.push(Fingerprint::of(state));
            let at = |place: &u32| state.get(*place as usize).copied().unwrap_or(f32::NAN);
            embedded
                .probed
                .push(passage.probes.iter().map(at).collect());
            let rows = match pooling {
                Pooling::Mean => span.clone(),
                Pooling::Cls => span.start..span.start + 1,
            };
            // The mean's divisor vanishes in the scaling to unit length.
            kernels::add_rows(embedding, &x[rows.start * hidden..rows.end * hidden]);
            kernels::unit_length(embedding);
        }
        Ok(embedded)
    }
}

/// A passage's tokens.
pub struct Sequence<'a> {
    pub ids: &'a [u32],
    /// Places of its hidden state whose values are asked for.
    pub probes: &'a [u32],
}

/// What comes of passages.
#[derive(Default)]
pub struct Embedded {
    /// One unit vector each, one after the other.
    pub vectors: Vec<f32>,
    /// One each, as the next.
    pub fingerprints: Vec<Fingerprint>,
    /// The values that were asked for; NaN where the state has none.
    pub probed: Vec<Vec<f32>>,
}

impl Embedded {
    pub fn append(&mut self, mut other: Self) {
        self.vectors.append(&mut other.vectors);
        self.fingerprints.append(&mut other.fingerprints);
        self.probed.append(&mut other.probed);
    }
}

impl Layer {
    fn load(weights: &mut Weights, config: &Config, name: &str) -> Result<Self, EngineError> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let mut parts = Vec::new();
        let mut qkv_bias = Vec::new();
        for part in ["query", "key", "value"] {
            let (weight, bias) =
                weights.linear(&format!("{name}.attention.self.{part}"), hidden, hidden)?;
            parts.push(weight);
            qkv_bias.extend(bias);
        }
        let qkv = Tensor::cat(&parts, 1).map_err(model_error)?;
        let (attention_out, attention_out_bias) =
            weights.linear(&format!("{name}.attention.output.dense"), hidden, hidden)?;
        let (up, up_bias) = weights.linear(&format!("{name}.intermediate.dense"), hidden, wide)?;
        let (down, down_bias) = weights.linear(&format!("{name}.output.dense"), wide, hidden)?;
        Ok(Self {
            qkv,
            qkv_bias,
            attention_out,
            attention_out_bias,
            attention_norm: weights.norm(&format!("{name}.attention.output.LayerNorm"), config)?,
            up,
            up_bias,
            down,
            down_bias,
            norm: weights.norm(&format!("{name}.output.LayerNorm"), config)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        spans: &[Range<usize>],
        heads: usize,
    ) -> candle_core::Result<Tensor> {
        let qkv = x.matmul(&self.qkv)?;
        qkv.inplace_op1(&AddBias(&self.qkv_bias))?;
        let mixed = qkv.apply_op1_no_bwd(&Attention { spans, heads })?;
        let attended = mixed.matmul(&self.attention_out)?;
        attended.inplace_op2(
            x,
            &AddNorm {
                bias: &self.attention_out_bias,
                norm: &self.attention_norm,
            },
        )?;
        let wide = attended.matmul(&self.up)?;
        wide.inplace_op1(&BiasGelu(&self.up_bias))?;
        let out = wide.matmul(&self.down)?;
        out.inplace_op2(
            &attended,
            &AddNorm {
                bias: &self.down_bias,
                norm: &self.norm,
            },
        )?;
        Ok(out)
    }
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a matrix that isn't contiguous"),
    }
}

fn contiguous_mut<'a>(
    storage: &'a mut CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a mut [f32]> {
    match (layout.contiguous_offsets(), storage) {
        (Some((start, end)), CpuStorage::F32(values)) => Ok(&mut values[start..end]),
        _ => candle_core::bail!("a matrix that isn't contiguous f32"),
    }
}

struct AddBias<'a>(&'a [f32]);

impl InplaceOp1 for AddBias<'_> {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        kernels::add_bias(contiguous_mut(storage, layout)?, self.0);
        Ok(())
    }
}

struct BiasGelu<'a>(&'a [f32]);

impl InplaceOp1 for BiasGelu<'_> {
    fn name(&self) -> &'static str {
        "bias-gelu"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        kernels::bias_gelu(contiguous_mut(storage, layout)?, self.0);
        Ok(())
    }
}

struct AddNorm<'a> {
    bias: &'a [f32],
    norm: &'a LayerNorm,
}

impl InplaceOp2 for AddNorm<'_> {
    fn name(&self) -> &'static str {
        "add-norm"
    }

    fn cpu_fwd(
        &self,
        rows: &mut CpuStorage,
        rows_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> candle_core::Result<()> {
        kernels::add_norm(
            contiguous_mut(rows, rows_layout)?,
            self.bias,
            contiguous(residual, residual_layout)?,
            self.norm,
        );
        Ok(())
    }
}

/// Softmax attention of each passage with itself: tokens × 3 features in, tokens × features out.
struct Attention<'a> {
    spans: &'a [Range<usize>],
    heads: usize,
}

impl CustomOp1 for Attention<'_> {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (tokens, width) = layout.shape().dims2()?;
        let hidden = width / 3;
        let size = hidden / self.heads;
        let scale = 1.0 / (size as f32).sqrt();
        let qkv = contiguous(storage, layout)?;
        let mut out = vec![0f32; tokens * hidden];
        let mut scores = Vec::new();
        for span in self.spans {
            let n = span.len();
            scores.resize(n * n, 0f32);
            let rows = &qkv[span.start * width..span.end * width];
            let out = &mut out[span.start * hidden..span.end * hidden];
            for head in 0..self.heads {
                let at = head * size;
                let view = |offset: usize| Matrix {
                    values: &rows[offset..],
                    row_stride: width,
                    column_stride: 1,
                };
                let (q, k, v) = (view(at), view(hidden + at), view(2 * hidden + at));
                multiply([n, n, size], q, k.transposed(), &mut scores, n);
                kernels::softmax(&mut scores, n, scale);
                let weights = Matrix {
                    values: &scores,
                    row_stride: n,
                    column_stride: 1,
                };
                multiply([n, size, n], weights, v, &mut out[at..], hidden);
            }
        }
        Ok((CpuStorage::F32(out), (tokens, hidden).into()))
    }
}

#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl Matrix<'_> {
    fn transposed(self) -> Self {
        Self {
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// `out = left · right` with `[rows, columns, depth]`, none of them zero; `out`'s rows are `out_stride` apart.
fn multiply(
    [rows, columns, depth]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
    out: &mut [f32],
    out_stride: usize,
) {
    assert!(left.holds(rows, depth) && right.holds(depth, columns));
    assert!((rows - 1) * out_stride + columns <= out.len() && columns <= out_stride);
    // SAFETY: the asserts above hold every element that is read or written inside its slice, and `out` is
    // borrowed mutably, so it overlaps neither operand. `out`'s elements are written, not read.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            false,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
