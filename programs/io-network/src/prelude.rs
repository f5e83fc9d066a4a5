//! What every module of the program starts with: Anchor's prelude, with the program's own macros for errors.

pub(crate) use anchor_lang::prelude::*;

pub(crate) use crate::fail::{err, error, require, require_keys_eq, require_keys_neq};
