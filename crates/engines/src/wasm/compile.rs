//! Compiling somebody else's module within bounds: what would take compilers long is refused by its form, before any compiler
//! sees it; and whoever waits can stop waiting.

use crate::engine::CancelToken;
use crate::error::EngineError;
use crate::limits::*;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wasmparser::{Operator, Parser, Payload};
use wasmtime::Module;

/// How often a waiting run looks at its cancel token.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The compilers of an engine: threads of their own, [`MAX_COMPILES`] at once. A compiler can't be stopped, so one that nobody
/// waits for any more keeps its place until it ends.
#[derive(Clone, Default)]
pub struct Compilers(Arc<(Mutex<usize>, Condvar)>);

/// A place among the compilers, held by the thread that compiles.
struct Place(Compilers);

impl Drop for Place {
    fn drop(&mut self) {
        let (busy, freed) = &*self.0.0;
        *busy.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        freed.notify_one();
    }
}

impl Compilers {
    fn place(&self, until: Instant, cancel: &CancelToken) -> Result<Place, EngineError> {
        let (busy, freed) = &*self.0;
        let mut count = busy.lock().unwrap_or_else(PoisonError::into_inner);
        while *count >= MAX_COMPILES {
            cancel.check()?;
            if Instant::now() >= until {
                return Err(too_long());
            }
            count = freed
                .wait_timeout(count, LOOK_EVERY)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *count += 1;
        Ok(Place(self.clone()))
    }

    /// Checks a module's form and compiles it.
    pub fn compile(
        &self,
        engine: &wasmtime::Engine,
        bytes: Vec<u8>,
        cancel: &CancelToken,
    ) -> Result<Module, EngineError> {
        check_form(&bytes)?;
        let until = Instant::now() + Duration::from_secs(MAX_COMPILE_SECONDS);
        let place = self.place(until, cancel)?;
        let (send, compiled) = mpsc::sync_channel(1);
        let engine = engine.clone();
        std::thread::Builder::new()
            .name("wasm-compile".into())
            .spawn(move || {
                let module = Module::new(&engine, &bytes);
                drop(place);
                // Nobody may wait any more.
                let _ = send.send(module);
            })
            .map_err(|e| EngineError::Host(format!("can't start a thread: {e}")))?;
        loop {
            match compiled.recv_timeout(LOOK_EVERY) {
                Ok(module) => {
                    // Some of its messages have several lines.
                    return module.map_err(|e| {
                        let text = format!("{e:#}");
                        let words: Vec<_> = text.split_whitespace().collect();
                        EngineError::Module(words.join(" "))
                    });
                }
                Err(RecvTimeoutError::Timeout) => {
                    cancel.check()?;
                    if Instant::now() >= until {
                        return Err(too_long());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::Module("the compiler broke off".into()));
                }
            }
        }
    }
}

fn too_long() -> EngineError {
    EngineError::Host(format!(
        "the module isn't compiled after {MAX_COMPILE_SECONDS} s"
    ))
}

/// Refuses what would keep a compiler busy for long. Whether a module is valid is the compiler's to say.
fn check_form(bytes: &[u8]) -> Result<(), EngineError> {
    let wrong = |error: wasmparser::BinaryReaderError| {
        EngineError::Module(format!("{} (at byte {})", error.message(), error.offset()))
    };
    let most = |what: &str, found: u64, most: u64| {
        if found <= most {
            Ok(())
        } else {
            Err(EngineError::Module(format!(
                "it has {found} {what}, and {most} are the most"
            )))
        }
    };
    let section = |what: &str, count: u32| most(what, count.into(), MAX_SECTION_ENTRIES.into());
    if !bytes.starts_with(b"\0asm") {
        return Err(EngineError::Module(
            "it is no WebAssembly: the binary form starts with \\0asm (wat2wasm makes it from text)".into(),
        ));
    }
    let (mut longest, mut flow) = (0, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(wrong)? {
            Payload::TypeSection(types) => {
                section("types", types.count())?;
                for group in types {
                    for of in group.map_err(wrong)?.types() {
                        if let wasmparser::CompositeInnerType::Func(of) = &of.composite_type.inner {
                            longest = longest.max(of.params().len() + of.results().len());
                        }
                    }
                }
                most(
                    "parameters and results in a signature",
                    longest as u64,
                    MAX_SIGNATURE as u64,
                )?;
            }
            Payload::ImportSection(part) => section("imports", part.count())?,
            Payload::TableSection(part) => section("tables", part.count())?,
            Payload::GlobalSection(part) => section("globals", part.count())?,
            Payload::ExportSection(part) => section("exports", part.count())?,
            Payload::ElementSection(part) => section("element segments", part.count())?,
            Payload::DataSection(part) => section("data segments", part.count())?,
            Payload::CodeSectionStart { count, .. } => {
                most("functions", count.into(), MAX_FUNCTIONS.into())?;
            }
            Payload::CodeSectionEntry(body) => {
                most(
                    "bytes in a function",
                    body.range().len() as u64,
                    MAX_FUNCTION_BYTES as u64,
                )?;
                let mut locals = 0_u64;
                for group in body.get_locals_reader().map_err(wrong)? {
                    locals += u64::from(group.map_err(wrong)?.0);
                }
                most("locals in a function", locals, MAX_LOCALS)?;
                let mut jumps = 1_u64;
                for operator in body.get_operators_reader().map_err(wrong)? {
                    jumps += match operator.map_err(wrong)? {
                        Operator::BrTable { targets } => u64::from(targets.len()) + 1,
                        Operator::Block { .. }
                        | Operator::Loop { .. }
                        | Operator::If { .. }
                        | Operator::Else
                        | Operator::Br { .. }
                        | Operator::BrIf { .. } => 1,
                        _ => 0,
                    };
                }
                let here = jumps * (locals + longest as u64 + 1);
                most("jumps × values in a function", here, MAX_FUNCTION_FLOW)?;
                flow += here;
                most("jumps × values", flow, MAX_MODULE_FLOW)?;
            }
            _ => {}
        }
    }
    Ok(())
}
