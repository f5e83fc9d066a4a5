use io_tests::*;
#[test]
fn logs() {
    let mut stage = Stage::empty(1, Mint::Io);
    let call = stage.world.create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
    let d = stage.world.ok(&call);
    println!("job bump {} vault bump {}", stage.job().bump, stage.job().vault_bump);
    println!("{}", d.logs.join("\n"));
    for which in ["settle", "accept", "submit", "cancel"] {
        let mut s = Stage::at(1, match which { "settle" => At::Submitted, "submit" => At::Running, _ => At::Open });
        let call = match which { "settle" => s.world.settle_call(&s.key, &[0, 1]), "submit" => s.world.submit_call(&s.key, &s.rig, UNITS), "cancel" => s.world.cancel_call(&s.key, &s.renter.key), _ => s.world.accept_with_ticket_call(&s.key, &s.rig, ASK, s.world.now() + 30) };
        let d = s.world.ok(&call);
        println!("{which}\n{}", d.logs.join("\n"));
    }
}
