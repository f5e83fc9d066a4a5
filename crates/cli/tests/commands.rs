//! The `io` binary from outside: what people type wrong, what is missing, and what it says about it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// An RPC address where nothing listens: port 1 of loopback.
const DEAD: &str = "http://127.0.0.1:1";

struct Io {
    program: std::path::PathBuf,
    home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Io {
    fn new() -> Self {
        Self {
            program: env!("CARGO_BIN_EXE_io").into(),
            home: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs in an empty home of its own, with nothing of the caller's surroundings.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(std::process::Stdio::null());
        command.output().unwrap()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn key_file(io: &Io, name: &str, mode: u32) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = io.path(name);
    io_client::Wallet::generate().save(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

#[test]
fn help_and_versions_succeed_and_name_every_command() {
    let io = Io::new();
    let help = io.run(&["--help"]);
    assert_eq!(code(&help), 0);
    for command in [
        "up",
        "demo",
        "doctor",
        "config",
        "completions",
        "offers",
        "quote",
        "job",
        "device",
        "provider",
        "stake",
    ] {
        assert!(stdout(&help).contains(command), "{command}");
    }
    assert_eq!(code(&io.run(&["--version"])), 0);
    for arguments in [
        ["job", "submit", "embed", "--help"],
        ["device", "register", "--help", "-q"],
    ] {
        assert_eq!(code(&io.run(&arguments)), 0, "{arguments:?}");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_to_do() {
    let io = Io::new();
    for arguments in [
        &["fly"][..],
        &["job", "submit", "embed"],
        &["job", "get"],
        &["-o", "xml", "config", "show"],
        &["-u", "moon", "config", "show"],
        &["--oracle", "ftp://x", "config", "show"],
        &["--oracle", "http://", "config", "show"],
        &["config", "set", "colour", "red"],
        &["-u", DEAD, "job", "get", "not-an-address"],
        &["job", "submit", "embed", "x.txt", "--timeout", "soon"],
        &["up", "--workers", "0"],
        &["demo", "--passages", "0"],
    ] {
        let output = io.run(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("error"), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn settings_come_from_the_nearest_place() {
    let io = Io::new();
    let shown = |io: &Io, arguments: &[&str], name: &str| -> (String, String) {
        let mut all = vec!["-o", "json"];
        all.extend(arguments);
        all.extend(["config", "show"]);
        let output = io.run(&all);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        (
            row["value"].as_str().unwrap().into(),
            row["source"].as_str().unwrap().into(),
        )
    };
    assert_eq!(shown(&io, &[], "url").0, "http://127.0.0.1:8899");
    let user = io.run(&["config", "set", "url", "http://user:1"]);
    assert_eq!(code(&user), 0, "{}", stderr(&user));
    assert_eq!(shown(&io, &[], "url").0, "http://user:1");
    io.put("io.toml", "url = \"http://here:1\"\n");
    assert_eq!(shown(&io, &[], "url").0, "http://here:1");
    let io = io.with("IO_URL", "http://variable:1");
    assert_eq!(
        shown(&io, &[], "url"),
        ("http://variable:1".into(), "IO_URL".into())
    );
    assert_eq!(
        shown(&io, &["-u", "http://flag:1"], "url"),
        ("http://flag:1".into(), "-u".into())
    );
}

#[test]
fn the_same_fields_come_as_json_lines_and_yaml() {
    let io = Io::new();
    let json: Vec<Value> =
        serde_json::from_slice(&io.run(&["-o", "json", "config", "show"]).stdout).unwrap();
    let lines = stdout(&io.run(&["-o", "jsonl", "config", "show"]));
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json.len(), lines.len());
    for (row, line) in json.iter().zip(&lines) {
        assert_eq!(row["name"], line["name"]);
        assert!(row.get("value").is_some() && row.get("source").is_some());
    }
    let yaml = stdout(&io.run(&["-o", "yaml", "config", "show"]));
    assert!(
        yaml.contains("name: \"url\"") && !yaml.contains('{'),
        "{yaml}"
    );
    let table = stdout(&io.run(&["config", "show"]));
    assert!(
        table.contains("SETTING") && !table.contains('\x1b'),
        "no colour in a pipe: {table}"
    );
}

#[test]
fn without_a_network_the_error_says_how_to_get_one() {
    let io = Io::new();
    let key = key_file(&io, "id.json", 0o600);
    let output = io.run(&["-u", DEAD, "-k", &key, "network", "show"]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("127.0.0.1:1") && stderr(&output).contains("io up"),
        "{}",
        stderr(&output)
    );
    assert!(output.stdout.is_empty());

    let json = io.run(&["-u", DEAD, "-k", &key, "-o", "json", "network", "show"]);
    let error: Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(error["error"]["exit"], 1);
    assert_eq!(error["error"]["code"], "failed");
    assert!(error["error"]["hint"].as_str().unwrap().contains("io up"));
}

#[test]
fn without_a_local_network_that_is_said_and_not_that_its_wallet_is_missing() {
    let io = Io::new();
    // The latter two ask the node first, and oracles or no wallet at all.
    let asks: [&[&str]; 4] = [
        &["device", "list"],
        &["provider", "show"],
        &["network", "show"],
        &["oracle", "bond", "show", "11111111111111111111111111111111"],
    ];
    for arguments in asks {
        let output = io.run(&[&["-u", "localnet"][..], arguments].concat());
        assert_eq!(code(&output), 1, "{arguments:?}: {}", stderr(&output));
        let said = stderr(&output);
        assert!(
            said.starts_with("error: no local network is running here") && said.contains("io up"),
            "{arguments:?}: {said}"
        );
        assert!(!said.contains("key file"), "{arguments:?}: {said}");
    }
    // A key that was named is another matter.
    let named = io.run(&["-u", "localnet", "-k", "none.json", "device", "list"]);
    assert_eq!(code(&named), 3, "{}", stderr(&named));
    assert!(stderr(&named).contains("none.json"), "{}", stderr(&named));
}

#[test]
fn a_missing_or_damaged_key_exits_with_3_and_is_never_quoted() {
    let io = Io::new();
    let missing = io.run(&["-u", DEAD, "-k", "none.json", "provider", "show"]);
    assert_eq!(code(&missing), 3, "{}", stderr(&missing));
    assert!(stderr(&missing).contains("none.json") && stderr(&missing).contains("-k"));

    let secret = "correct horse battery staple";
    let damaged = io.put("damaged.json", secret);
    for arguments in [
        vec!["-u", DEAD, "-k", &damaged, "provider", "show"],
        vec![
            "-u", DEAD, "-k", &damaged, "-o", "json", "stake", "add", "1",
        ],
        vec!["-u", DEAD, "-k", &damaged, "doctor"],
    ] {
        let output = io.run(&arguments);
        assert_ne!(code(&output), 0);
        let all = stdout(&output) + &stderr(&output);
        assert!(!all.contains("horse"), "{all}");
        assert!(all.contains("damaged.json"), "{all}");
    }
}

#[test]
fn no_secret_of_a_good_key_or_address_is_ever_shown() {
    let io = Io::new().with("IO_LOG", "trace");
    let key = key_file(&io, "id.json", 0o644);
    let text = fs::read_to_string(&key).unwrap();
    let inside = &text[1..text.len() - 1];
    let start: String = inside.split(',').take(8).collect::<Vec<_>>().join(",");
    let url = "http://127.0.0.1:1/token-that-nobody-may-see?api-key=k3y-s3cret";
    for arguments in [
        ["config", "show"],
        ["provider", "show"],
        ["net", "stats"],
        ["-o", "json"],
    ] {
        let mut all = vec!["-u", url, "-k", &key];
        all.extend(arguments);
        if arguments[0] == "-o" {
            all.push("doctor");
        }
        let output = io.run(&all);
        let shown = stdout(&output) + &stderr(&output);
        assert!(
            !shown.contains("token-that") && !shown.contains("k3y-s3cret"),
            "{arguments:?}: {shown}"
        );
        assert!(!shown.contains(&start), "{arguments:?}: {shown}");
    }
}

#[test]
fn the_doctor_names_every_failure_and_its_fix() {
    let io = Io::new();
    let key = key_file(&io, "id.json", 0o644);
    let output = io.run(&["-u", DEAD, "-k", &key, "-o", "json", "doctor", "--provider"]);
    assert_eq!(code(&output), 1);
    let checks: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let find = |name: &str| {
        checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(find("rpc")["status"], "error");
    assert_eq!(find("oracles")["status"], "error");
    assert_eq!(find("key file")["status"], "error");
    assert!(
        find("key file")["fix"]
            .as_str()
            .unwrap()
            .starts_with("chmod 600 ")
    );
    assert_eq!(find("wallet")["status"], "ok");
    assert_eq!(find("balances")["status"], "skipped");
    assert_eq!(find("device")["status"], "ok");
    for check in &checks {
        let failed = check["status"] == "error" || check["status"] == "warning";
        assert_eq!(failed, check["fix"].is_string(), "{check}");
    }
}

#[test]
fn bad_input_is_told_with_its_line_before_anything_is_asked() {
    let io = Io::new();
    let key = key_file(&io, "id.json", 0o600);
    let base = ["-u", DEAD, "-k", &key, "--oracle", DEAD, "job", "submit"];
    let submit = |rest: &[&str]| {
        let mut all = base.to_vec();
        all.extend(rest);
        io.run(&all)
    };
    io.put("blank.txt", "\n  \n");
    io.put("bad.jsonl", "{\"text\":\"good\"}\n{\"txt\":\"bad\"}\n");
    fs::write(io.path("latin.txt"), b"good\ncaf\xe9\n").unwrap();
    io.put("bad.wasm", "not a module");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["embed", "none.txt"], 4, "none.txt"),
        (&["embed", "blank.txt"], 1, "blank"),
        (&["embed", "bad.jsonl"], 1, "line 2"),
        (&["embed", "latin.txt"], 1, "line 2"),
        (
            &["embed", "blank.txt", "--model", "no-such-model"],
            4,
            "all-MiniLM-L6-v2",
        ),
        (&["wasm", "bad.wasm"], 1, "module"),
        (
            &["embed", "bad.jsonl", "--max-tokens", "1"],
            1,
            "max_tokens",
        ),
    ];
    for (arguments, expected, names) in cases {
        let output = submit(arguments);
        assert_eq!(
            code(&output),
            expected,
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(names),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_node_that_talks_nonsense_is_no_panic() {
    // Answers everything with something that is no JSON-RPC.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
            );
        }
    });
    let io = Io::new();
    let key = key_file(&io, "id.json", 0o600);
    for arguments in [
        &["network", "show"][..],
        &["net", "stats"],
        &["job", "list"],
    ] {
        let mut all = vec!["-u", &url, "-k", &key];
        all.extend(arguments);
        let output = io.run(&all);
        assert_eq!(code(&output), 1, "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

#[test]
fn io_up_says_what_is_missing_before_it_starts_anything() {
    // Away from where it was built, for what it starts lies there, too.
    let mut io = Io::new();
    io.program = io.path("bin/io");
    fs::create_dir(io.path("bin")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_io"), &io.program).unwrap();
    let output = io.run(&["up", "--data-dir", "net"]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    assert!(stderr(&output).contains("./x setup"), "{}", stderr(&output));
    assert!(!io.path("net/keys").exists());
    // Nor when the chain is there, and the program isn't.
    fs::write(io.path("bin/io-localnet"), "").unwrap();
    let output = io.run(&["up", "--data-dir", "net"]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    assert!(stderr(&output).contains("./x build"), "{}", stderr(&output));
    assert!(!io.path("net/keys").exists());
    let down = io.run(&["down", "--data-dir", "net"]);
    assert_eq!(code(&down), 4, "{}", stderr(&down));
}

#[test]
fn a_wrong_service_configuration_names_the_field() {
    let io = Io::new();
    io.put("worker.toml", "oracels = []\n");
    io.put("oracle.json", "{\"ports\": 1}");
    for (arguments, field) in [
        (["worker", "run", "--config", "worker.toml"], "oracels"),
        (["oracle", "run", "--config", "oracle.json"], "ports"),
    ] {
        let output = io.run(&arguments);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains(field), "{}", stderr(&output));
    }
}

#[test]
fn completions_and_the_reference_are_complete() {
    let io = Io::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = io.run(&["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("submit"), "{shell}");
    }
    let reference = stdout(&io.run(&["markdown-help"]));
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let committed = fs::read_to_string(committed).unwrap();
    assert_eq!(
        reference, committed,
        "docs/cli.md is stale: io markdown-help > docs/cli.md"
    );
}
