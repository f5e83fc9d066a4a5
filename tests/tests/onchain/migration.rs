//! Accounts of an earlier, shorter layout grow to today's: what they held stays, what is new is zero.

use anchor_lang::error::ErrorCode;
use io_network::{MIGRATABLE, constants::VERSION, errors::IoError};
use io_tests::{At, Stage, world};
use solana_account::Account;
use solana_signer::Signer;

#[test]
fn every_account_type_can_be_migrated() {
    let idl: serde_json::Value = serde_json::from_str(include_str!("../../../idl/io_network.json"))
        .expect("the IDL is JSON");
    let mut listed: Vec<&str> = idl["accounts"]
        .as_array()
        .expect("accounts")
        .iter()
        .map(|a| a["name"].as_str().expect("a name"))
        .collect();
    listed.sort_unstable();
    assert_eq!(MIGRATABLE, listed);
}

#[test]
fn a_short_account_grows_and_keeps_what_it_held() {
    let mut stage = Stage::at(760, At::Running);
    let payer = stage.world.person();
    for key in [
        stage.key,
        stage.rig.device,
        stage.rig.provider,
        world::network(),
        world::oracle_set(),
        world::class(1),
        world::payment(&stage.world.io_mint),
    ] {
        let mut w = stage.world.fork();
        let whole = w.account(&key).expect("the account");
        let call = w.migrate_account_call(&payer, &key);
        w.refuse(&call, IoError::NothingToMigrate);
        // As an earlier version would have left it: without the last spare bytes, and with less rent.
        let short = whole.data.len() - 8;
        let rent = w.svm.minimum_balance_for_rent_exemption(short);
        let earlier = Account {
            data: whole.data[..short].to_vec(),
            lamports: rent,
            ..whole.clone()
        };
        w.write(&key, earlier);
        let before = w.lamports(&payer.pubkey());
        w.ok(&call);
        let after = w.account(&key).expect("the account");
        assert_eq!(
            after.data, whole.data,
            "spare bytes are zero, and the version is {VERSION}"
        );
        let full = w.svm.minimum_balance_for_rent_exemption(whole.data.len());
        assert_eq!(after.lamports, full);
        assert_eq!(w.lamports(&payer.pubkey()), before - (full - rent));
        w.refuse(&call, IoError::NothingToMigrate);
    }
}

#[test]
fn what_is_no_account_of_the_program_is_left_alone() {
    let mut stage = Stage::at(761, At::Open);
    let payer = stage.world.person();
    let (vault, key) = (stage.vault(), stage.key);
    let w = &mut stage.world;
    let call = w.migrate_account_call(&payer, &vault);
    w.refuse(&call, IoError::WrongOwner);
    let whole = w.account(&key).expect("the job");
    for (data, error) in [
        (vec![], IoError::WrongAccount),
        (vec![7; 300], IoError::WrongAccount),
        (whole.data[..8].to_vec(), IoError::NothingToMigrate),
        (whole.data[..300].to_vec(), IoError::NothingToMigrate),
    ] {
        let fresh = w.keys.pubkey();
        let account = Account {
            data,
            ..whole.clone()
        };
        w.write(&fresh, account);
        let call = w.migrate_account_call(&payer, &fresh);
        w.refuse(&call, error);
    }
    let mut call = w.migrate_account_call(&payer, &key);
    call.instruction.accounts[1].is_writable = false;
    w.refuse(&call, ErrorCode::ConstraintMut);
}
