//! The program through the real loader, as on a public cluster: the local chain's shortcut checks less.

use std::sync::Arc;

use io_client::{
    CommitmentConfig, Instruction, Pubkey, Request, Rpc, SendConfig, Sender, Wallet,
    journal::MemoryJournal,
    testing::{ChainOptions, LocalChain, eventually, program_file},
};
use solana_instruction::AccountMeta;

const LOADER: Pubkey = Pubkey::from_str_const("BPFLoaderUpgradeab1e11111111111111111111111");
const SYSTEM: Pubkey = Pubkey::from_str_const("11111111111111111111111111111111");
const RENT: Pubkey = Pubkey::from_str_const("SysvarRent111111111111111111111111111111111");
const CLOCK: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");
/// Bytes before the code in a buffer, and in the program's data account.
const BUFFER_HEADER: usize = 37;
const DATA_HEADER: usize = 45;
const PROGRAM_BYTES: usize = 36;
/// Bytes of code that fit into one transaction.
const CHUNK: usize = 900;

fn create_account(payer: &Pubkey, new: &Pubkey, lamports: u64, space: usize) -> Instruction {
    let mut data = vec![0; 4];
    data.extend(lamports.to_le_bytes());
    data.extend((space as u64).to_le_bytes());
    data.extend(LOADER.to_bytes());
    let accounts = vec![AccountMeta::new(*payer, true), AccountMeta::new(*new, true)];
    Instruction {
        program_id: SYSTEM,
        accounts,
        data,
    }
}

fn loader(number: u32, arguments: &[u8], accounts: Vec<AccountMeta>) -> Instruction {
    Instruction {
        program_id: LOADER,
        accounts,
        data: [&number.to_le_bytes(), arguments].concat(),
    }
}

fn write(buffer: &Pubkey, authority: &Pubkey, offset: usize, bytes: &[u8]) -> Instruction {
    let offset = u32::try_from(offset).unwrap().to_le_bytes();
    let length = (bytes.len() as u64).to_le_bytes();
    let accounts = vec![
        AccountMeta::new(*buffer, false),
        AccountMeta::new_readonly(*authority, true),
    ];
    loader(1, &[&offset[..], &length, bytes].concat(), accounts)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_passes_the_real_loader() {
    let elf = std::fs::read(program_file("io_network")).unwrap();
    let chain = LocalChain::start_with(ChainOptions {
        programs: Vec::new(),
        ..ChainOptions::default()
    })
    .await;
    let rpc = chain.rpc();
    let payer = chain.wallet(100_000_000_000).await;
    let (program, buffer) = (Wallet::generate(), Wallet::generate());
    let sender = Sender::new(
        rpc.clone(),
        Arc::new(MemoryJournal::default()),
        SendConfig::local(),
    );
    let payer_key = payer.address();

    let rent = rpc.rent_minimum(BUFFER_HEADER + elf.len()).await.unwrap();
    let initialize = loader(
        0,
        &[],
        vec![
            AccountMeta::new(buffer.address(), false),
            AccountMeta::new_readonly(payer_key, false),
        ],
    );
    let create = vec![
        create_account(
            &payer_key,
            &buffer.address(),
            rent,
            BUFFER_HEADER + elf.len(),
        ),
        initialize,
    ];
    sender
        .send(&Request::new("buffer", payer.signer(), create).with_signer(buffer.signer()))
        .await
        .unwrap();

    let mut tasks = tokio::task::JoinSet::new();
    for (i, chunk) in elf.chunks(CHUNK).enumerate() {
        while tasks.len() >= 32 {
            tasks.join_next().await.unwrap().unwrap();
        }
        let instruction = write(&buffer.address(), &payer_key, i * CHUNK, chunk);
        let request = Request::new(format!("write {i}"), payer.signer(), vec![instruction]);
        let sender = sender.clone();
        tasks.spawn(async move {
            sender
                .send(&request)
                .await
                .unwrap_or_else(|error| panic!("chunk {i}: {error}"));
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }

    let data = Pubkey::find_program_address(&[program.address().as_ref()], &LOADER).0;
    let program_rent = rpc.rent_minimum(PROGRAM_BYTES).await.unwrap();
    let deploy = loader(
        2,
        &(elf.len() as u64).to_le_bytes(),
        vec![
            AccountMeta::new(payer_key, true),
            AccountMeta::new(data, false),
            AccountMeta::new(program.address(), false),
            AccountMeta::new(buffer.address(), false),
            AccountMeta::new_readonly(RENT, false),
            AccountMeta::new_readonly(CLOCK, false),
            AccountMeta::new_readonly(SYSTEM, false),
            AccountMeta::new_readonly(payer_key, true),
        ],
    );
    let create = vec![
        create_account(&payer_key, &program.address(), program_rent, PROGRAM_BYTES),
        deploy,
    ];
    let request = Request::new("deploy", payer.signer(), create).with_signer(program.signer());
    sender
        .send(&request)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", error.logs().join("\n")));

    let (_, account) = rpc
        .account(&program.address())
        .await
        .unwrap()
        .expect("the program");
    assert!(account.executable && account.owner == LOADER);
    let (_, deployed) = rpc.account(&data).await.unwrap().expect("its data");
    assert_eq!(
        deployed.data[DATA_HEADER..],
        elf,
        "byte for byte what was built"
    );

    // It runs: it finds that it is not at the address that it was built for.
    runs(&rpc, &sender, &payer, &program.address()).await;
}

async fn runs(rpc: &Rpc, sender: &Sender, payer: &Wallet, program: &Pubkey) {
    // A program can be called from the slot after the one it was deployed in.
    let deployed = rpc
        .position(CommitmentConfig::processed())
        .await
        .unwrap()
        .slot;
    eventually("the next slot", || async {
        Ok(rpc.position(CommitmentConfig::confirmed()).await?.slot > deployed + 1)
    })
    .await;
    let call = Instruction {
        program_id: *program,
        accounts: Vec::new(),
        data: vec![0; 8],
    };
    let error = sender
        .send(&Request::new("call", payer.signer(), vec![call]))
        .await
        .unwrap_err();
    let logs = error.logs().join("\n");
    assert!(
        logs.contains(&format!("Program {program} invoke [1]")),
        "{error}\n{logs}"
    );
    assert!(
        logs.contains("DeclaredProgramIdMismatch") || error.to_string().contains("4100"),
        "{error}\n{logs}"
    );
}
