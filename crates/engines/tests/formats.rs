//! Specs, manifests and blobs: one form each, and no input that panics.

use io_engines::limits::*;
use io_engines::models::{ALL_MINILM_L6_V2, KNOWN_MODELS, MODEL_FILES};
use io_engines::*;
use proptest::prelude::*;
use sha2::Digest;

fn blob() -> impl Strategy<Value = BlobRef> {
    (any::<[u8; 32]>(), 8..1_000u64).prop_map(|(hash, size)| BlobRef {
        hash: BlobHash(hash),
        size,
    })
}

fn engine() -> impl Strategy<Value = EngineSpec> {
    let embed = (
        [blob(), blob(), blob()],
        any::<bool>(),
        any::<bool>(),
        3..=MAX_TOKENS,
    )
        .prop_map(|([config, tokenizer, weights], lines, mean, max_tokens)| {
            EngineSpec::Embed(EmbedSpec {
                model: ModelRef {
                    config,
                    tokenizer,
                    weights,
                },
                format: if lines {
                    InputFormat::Lines
                } else {
                    InputFormat::Jsonl
                },
                pooling: if mean { Pooling::Mean } else { Pooling::Cls },
                max_tokens,
            })
        });
    let wasm = (
        blob(),
        1..=MAX_FUEL,
        1..=MAX_MEMORY_MIB,
        1..=MAX_TIME_LIMIT_S,
        0..=MAX_WASM_OUTPUT_BYTES,
    )
        .prop_map(|(module, fuel, memory_mib, time_limit_s, max_output)| {
            EngineSpec::Wasm(WasmSpec {
                module,
                fuel,
                memory_mib,
                time_limit_s,
                max_output,
            })
        });
    prop_oneof![embed, wasm]
}

fn spec() -> impl Strategy<Value = JobSpec> {
    (blob(), engine()).prop_map(|(input, engine)| JobSpec {
        version: spec::SPEC_VERSION,
        input,
        engine,
    })
}

proptest! {
    #[test]
    fn a_spec_survives_its_canonical_form(spec in spec()) {
        let bytes = spec.canonical();
        prop_assert!(bytes.len() as u64 <= MAX_SPEC_BYTES);
        let again = JobSpec::from_canonical(&bytes).unwrap();
        prop_assert_eq!(again.hash(), BlobHash::of(&bytes));
        prop_assert_eq!(again, spec);
    }

    /// One job, one hash: whatever reads as the same spec but isn't its canonical form is refused.
    #[test]
    fn no_other_bytes_are_canonical(spec in spec(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = spec.canonical();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(other) = JobSpec::from_canonical(&bytes) {
            prop_assert_ne!(other, spec.clone());
        }
        bytes.insert(at, b' ');
        if let Ok(other) = JobSpec::from_canonical(&bytes) {
            prop_assert_ne!(other, spec);
        }
    }

    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(JobSpec::from_json(&bytes).is_err());
        prop_assert!(Manifest::from_canonical(&bytes).is_err());
        let _ = embed::parse(&bytes, InputFormat::Lines);
        let _ = embed::parse(&bytes, InputFormat::Jsonl);
    }

    #[test]
    fn hashes_survive_their_text(hash: [u8; 32]) {
        let hash = BlobHash(hash);
        prop_assert_eq!(hash.to_string().parse::<BlobHash>().unwrap(), hash);
    }

    /// Every line that isn't blank is one passage with its own number, whatever the line ends.
    #[test]
    fn lines_keep_their_numbers(lines in prop::collection::vec("[a-z \t]{0,8}", 1..20), crlf: bool, bom: bool) {
        let mut text = lines.join(if crlf { "\r\n" } else { "\n" });
        if bom {
            text.insert(0, '\u{feff}');
        }
        let expected: Vec<(u64, &str)> = (1..)
            .zip(lines.iter().map(String::as_str))
            .filter(|(_, line)| !line.trim().is_empty())
            .collect();
        match embed::parse(text.as_bytes(), InputFormat::Lines) {
            Ok(passages) => {
                let got: Vec<(u64, &str)> =
                    passages.iter().map(|p| (p.line, p.text.as_ref())).collect();
                prop_assert_eq!(got, expected);
            }
            Err(_) => prop_assert!(expected.is_empty()),
        }
    }
}

fn example() -> JobSpec {
    JobSpec {
        version: 1,
        input: BlobRef::of(b"one passage\n"),
        engine: EngineSpec::Embed(EmbedSpec {
            model: ALL_MINILM_L6_V2.files,
            format: InputFormat::Lines,
            pooling: Pooling::Mean,
            max_tokens: 256,
        }),
    }
}

/// The spec in docs/engines.md, byte for byte; its hash may never change.
#[test]
fn the_documented_spec_has_its_documented_hash() {
    let documents = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/engines.md"),
    )
    .unwrap();
    let canonical = String::from_utf8(example().canonical()).unwrap();
    assert!(documents.contains(&canonical), "{canonical}");
    assert!(
        documents.contains(&example().hash().to_string()),
        "{}",
        example().hash()
    );
}

#[test]
fn specs_out_of_bounds_say_which_field_and_which_bounds() {
    let text = String::from_utf8(example().canonical()).unwrap();
    for (from, to, said) in [
        ("\"version\":1", "\"version\":2", "version 2 is unknown"),
        (
            "\"max_tokens\":256",
            "\"max_tokens\":513",
            "max_tokens is 513; it must be 3 to 512",
        ),
        ("\"max_tokens\":256", "\"max_tokens\":2", "max_tokens is 2"),
        ("\"max_tokens\":256", "\"max_tokens\":256.0", "invalid type"),
        ("\"max_tokens\":256", "\"max_tokens\":-1", "invalid value"),
        (
            "\"size\":12}",
            "\"size\":268435457}",
            "input.size is 268435457",
        ),
        (
            "\"pooling\"",
            "\"colour\":1,\"pooling\"",
            "unknown field `colour`",
        ),
        ("\"pooling\":\"mean\",", "", "missing field `pooling`"),
        ("\"mean\"", "\"max\"", "unknown variant `max`"),
        ("\"embed\"", "\"docker\"", "unknown variant `docker`"),
        (
            "\"lines\"",
            "\"lines\",\"format\":\"lines\"",
            "duplicate field",
        ),
        ("02ba", "02BA", "64 lower-case"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = JobSpec::from_json(changed.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(said), "{to}: {error}");
        assert_eq!(error.fault(), Fault::Renter);
    }
    let long = format!("{text}{}", " ".repeat(MAX_SPEC_BYTES as usize));
    let error = JobSpec::from_json(long.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("16384 are the most"), "{error}");
    // White space is fine by hand, but not on chain.
    let spaced = text.replace(',', ", ");
    assert_eq!(JobSpec::from_json(spaced.as_bytes()).unwrap(), example());
    assert!(JobSpec::from_canonical(spaced.as_bytes()).is_err());
}

#[test]
fn manifests_name_plain_files_only() {
    let file = |name: &str| OutputFile {
        name: name.into(),
        size: 1,
        hash: BlobHash::of(b"x"),
    };
    let manifest = |files| Manifest {
        version: 1,
        spec: example().hash(),
        status: Status::Ok,
        units: 1,
        steps: 1,
        files,
    };
    let good = manifest(vec![file("a.bin"), file("b-c_d.jsonl")]);
    assert_eq!(Manifest::from_canonical(&good.canonical()).unwrap(), good);
    for name in [
        "",
        "..",
        ".hidden",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "a b",
        "a\n",
        "manifest.json",
        "ä",
        &"x".repeat(65),
    ] {
        assert!(
            Manifest::from_canonical(&manifest(vec![file(name)]).canonical()).is_err(),
            "{name:?}"
        );
    }
    assert!(Manifest::from_canonical(&manifest(vec![file("a"), file("a")]).canonical()).is_err());
    let many = (0..=MAX_OUTPUT_FILES)
        .map(|i| file(&format!("f{i}")))
        .collect();
    assert!(Manifest::from_canonical(&manifest(many).canonical()).is_err());
}

#[test]
fn blobs_are_checked_whenever_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobDir(dir.path().to_owned());
    let right = BlobRef::of(b"right");
    let path = dir.path().join(right.hash.to_string());
    assert!(matches!(
        blob::read(&blobs, &right, 10),
        Err(BlobError::Missing(_))
    ));
    std::fs::write(&path, b"right").unwrap();
    assert_eq!(blob::read(&blobs, &right, 5).unwrap(), b"right");
    assert!(matches!(
        blob::read(&blobs, &right, 4),
        Err(BlobError::TooBig {
            limit: 4,
            found: 5,
            ..
        })
    ));
    let lied = BlobRef { size: 4, ..right };
    assert!(matches!(
        blob::read(&blobs, &lied, 10),
        Err(BlobError::WrongSize { .. })
    ));
    std::fs::write(&path, b"wrong").unwrap();
    assert!(matches!(
        blob::read(&blobs, &right, 10),
        Err(BlobError::Damaged { .. })
    ));
}

#[test]
fn bad_lines_are_named_by_number() {
    let long = "x".repeat(MAX_LINE_BYTES + 1);
    for (format, input, line, said) in [
        (
            InputFormat::Lines,
            b"ok\n\xff\n".to_vec(),
            2,
            "isn't UTF-8 from its byte 1 on",
        ),
        (
            InputFormat::Lines,
            b"\n\nok\nab\xc3\n".to_vec(),
            4,
            "from its byte 3 on",
        ),
        (
            InputFormat::Lines,
            format!("ok\n{long}\n").into_bytes(),
            2,
            "65536 are the most",
        ),
        (
            InputFormat::Jsonl,
            b"{\"text\":\"a\"}\nnot json\n".to_vec(),
            2,
            "expected ident at column 2",
        ),
        (
            InputFormat::Jsonl,
            b"\n{\"text\":1}\n".to_vec(),
            2,
            "invalid type",
        ),
        (
            InputFormat::Jsonl,
            b"{\"id\":\"x\"}\n".to_vec(),
            1,
            "missing field `text`",
        ),
        (
            InputFormat::Jsonl,
            b"{\"text\":\"a\",\"txt\":\"b\"}\n".to_vec(),
            1,
            "unknown field `txt`",
        ),
        (
            InputFormat::Jsonl,
            b"{\"text\":\"a\"} x\n".to_vec(),
            1,
            "trailing characters",
        ),
        (
            InputFormat::Jsonl,
            format!("{{\"text\":\"a\",\"id\":\"{}\"}}", "i".repeat(257)).into_bytes(),
            1,
            "longer than 256",
        ),
    ] {
        match embed::parse(&input, format) {
            Err(EngineError::InputLine { line: at, message }) => {
                assert_eq!(at, line, "{message}");
                assert!(message.contains(said), "{message}");
            }
            other => panic!("{said}: {other:?}"),
        }
    }
    for empty in [&b""[..], b"\n", b" \t\r\n\n", b"\xef\xbb\xbf"] {
        let error = embed::parse(empty, InputFormat::Lines).unwrap_err();
        assert!(error.to_string().contains("no passages"), "{error}");
    }
    // A line at the limit is fine.
    assert!(embed::parse(&vec![b'x'; MAX_LINE_BYTES], InputFormat::Lines).is_ok());
}

#[test]
fn one_passage_too_many_is_refused() {
    let input = b"x\n".repeat(MAX_PASSAGES as usize + 1);
    match embed::parse(&input, InputFormat::Lines) {
        Err(EngineError::InputLine { line, .. }) => assert_eq!(line, MAX_PASSAGES + 1),
        other => panic!("{:?}", other.map(|p| p.len())),
    }
    let most = embed::parse(&input[2..], InputFormat::Lines).unwrap();
    assert_eq!(most.len() as u64, MAX_PASSAGES);
}

/// The pinned BLAKE3 hashes and the published SHA-256 ones are of the same bytes.
#[test]
fn the_known_models_files_are_the_published_ones() {
    for model in KNOWN_MODELS {
        let dir = models::dir(model).expect("HOME is not set");
        let files = [
            model.files.config,
            model.files.tokenizer,
            model.files.weights,
        ];
        for ((name, blob), sha256) in MODEL_FILES.iter().zip(files).zip(model.sha256) {
            let path = dir.join(name);
            let bytes = std::fs::read(&path)
                .unwrap_or_else(|e| panic!("{}: {e}: run ./x setup", path.display()));
            assert_eq!(BlobRef::of(&bytes), blob, "{name}");
            assert_eq!(hex::encode(sha2::Sha256::digest(&bytes)), sha256, "{name}");
        }
        let (own, _) = models::from_dir(&dir).unwrap();
        assert_eq!(own, model.files);
        assert_eq!(models::find(model.name).unwrap().files, model.files);
    }
    assert!(models::find("no-such-model").is_none());
    let missing = match models::from_dir(std::path::Path::new("/no/such/folder")) {
        Err(e) => e.to_string(),
        Ok(_) => panic!("a folder that isn't there"),
    };
    assert!(missing.contains("/no/such/folder/config.json"), "{missing}");
}
