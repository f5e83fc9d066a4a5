//! The accounts. Fixed size, no `Vec` or `String`, zero-copy; each holds its layout version, its canonical bump and
//! spare bytes, and has an `invariant()` that every instruction which changes it calls last.

mod buy_back;
mod co_stake;
mod deposit;
mod device;
mod emission;
mod evidence;
mod job;
mod network;
mod oracle;
mod oracle_set;
mod payment;
mod proposal;
mod provider;
mod record;
mod slash;

pub use {
    buy_back::*, co_stake::*, deposit::*, device::*, emission::*, evidence::*, job::*, network::*,
    oracle::*, oracle_set::*, payment::*, proposal::*, provider::*, record::*, slash::*,
};

/// Zero-copy accounts serialise as their bytes: fields are little-endian and there is no padding, so this is
/// also their Borsh encoding. Used by events, which carry whole account snapshots.
macro_rules! serialise_as_bytes {
    ($t:ty) => {
        impl anchor_lang::AnchorSerialize for $t {
            fn serialize<W: std::io::Write>(&self, writer: &mut W) -> std::io::Result<()> {
                writer.write_all(bytemuck::bytes_of(self))
            }
        }
        impl anchor_lang::AnchorDeserialize for $t {
            fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
                let mut value: Self = bytemuck::Zeroable::zeroed();
                reader.read_exact(bytemuck::bytes_of_mut(&mut value))?;
                Ok(value)
            }
        }
        impl $t {
            /// Bytes of the account: discriminator and struct.
            pub const SPACE: usize = 8 + core::mem::size_of::<$t>();
        }
    };
}
pub(crate) use serialise_as_bytes;
