//! Anchor's macros for errors, out of line.
//!
//! Anchor's own build the error in place, some 2 KB of bytecode at each of the program's several hundred checks. These have
//! the same names, take the same arguments and log the same, and each use is a comparison and a call.

use core::panic::Location;

use anchor_lang::{
    error::{AnchorError, Error, ErrorOrigin, Source},
    prelude::Pubkey,
};

use crate::errors::IoError;

/// The error with the place where it was found.
#[cold]
#[inline(never)]
#[track_caller]
pub fn raise(code: IoError) -> Error {
    let at = Location::caller();
    Error::from(AnchorError {
        error_name: code.name(),
        error_code_number: code.into(),
        error_msg: code.to_string(),
        error_origin: Some(ErrorOrigin::Source(Source {
            filename: at.file(),
            line: at.line(),
        })),
        compared_values: None,
    })
}

/// The same with the two keys that were compared.
#[cold]
#[inline(never)]
#[track_caller]
pub fn raise_keys(code: IoError, left: &Pubkey, right: &Pubkey) -> Error {
    raise(code).with_pubkeys((*left, *right))
}

macro_rules! error {
    ($code:expr $(,)?) => {
        $crate::fail::raise($code)
    };
}

macro_rules! err {
    ($code:expr $(,)?) => {
        Err($crate::fail::raise($code))
    };
}

macro_rules! require {
    ($holds:expr, $code:expr $(,)?) => {
        if !($holds) {
            return Err($crate::fail::raise($code));
        }
    };
}

macro_rules! require_keys_eq {
    ($left:expr, $right:expr, $code:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) if left != right => {
                return Err($crate::fail::raise_keys($code, left, right));
            }
            _ => {}
        }
    };
}

macro_rules! require_keys_neq {
    ($left:expr, $right:expr, $code:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) if left == right => {
                return Err($crate::fail::raise_keys($code, left, right));
            }
            _ => {}
        }
    };
}

pub(crate) use {err, error, require, require_keys_eq, require_keys_neq};
