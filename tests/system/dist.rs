//! What `make dist` hands out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::machine::root;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The time that files in what is handed out have, in Unix seconds: that of a commit may become
/// another one between two runs.
const MADE_AT: &str = "1700000000";

/// Every file that is handed out, by name.
fn dist(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut pack = Command::new(root().join("packaging/dist"));
    run(pack.arg(directory).env("SOURCE_DATE_EPOCH", MADE_AT));
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let named = files.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    });
    named.collect()
}

fn ending<'a>(files: &'a BTreeMap<String, Vec<u8>>, end: &str) -> &'a str {
    files.keys().find(|name| name.ends_with(end)).unwrap_or_else(|| panic!("no {end}"))
}

/// The crates that the programs are built of, each as `NAME@VERSION`.
fn linked_crates() -> BTreeSet<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["tree", "--locked", "--package", "lobbyd", "--package", "lobbyctl"]);
    cargo.args(["--edges", "normal", "--prefix", "none", "--no-dedupe"]).current_dir(root());
    let tree = run(&mut cargo);
    let named = tree.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some(format!("{}@{}", words.next()?, words.next()?.strip_prefix('v')?))
    });
    named.collect()
}

/// The checksums of `Cargo.lock`, by `NAME@VERSION`; empty for a crate of this repository.
fn locked_checksums() -> BTreeMap<String, String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages = lock.split("[[package]]").skip(1).map(|package| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
            line.unwrap_or_default().trim_end_matches('"').to_owned()
        };
        (format!("{}@{}", value("name"), value("version")), value("checksum"))
    });
    packages.collect()
}

/// The bill of materials names every crate that the programs are built of, as it is in
/// `Cargo.lock`, and none that only tests need.
fn names_every_crate(bill: &Value) {
    let locked = locked_checksums();
    let components = bill["components"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let named: BTreeMap<_, _> = components
        .iter()
        .map(|it| (format!("{}@{}", text(&it["name"]), text(&it["version"])), it))
        .collect();
    let linked = linked_crates();
    assert!(linked.len() > 100 && linked.iter().any(|name| name.starts_with("actix-web@")));
    let missing: Vec<_> = linked.iter().filter(|name| !named.contains_key(*name)).collect();
    assert!(missing.is_empty(), "not in the SBOM: {missing:?}");
    for (name, component) in named {
        let checksum = locked.get(&name).unwrap_or_else(|| panic!("{name} is not in Cargo.lock"));
        assert_eq!(&text(&component["hashes"][0]["content"]), checksum, "{name}");
        assert!(!name.starts_with("proptest@") && !name.starts_with("lobby-tests@"), "{name}");
    }
}

#[test]
fn packing_again_gives_the_same_and_the_programs_need_nothing() {
    let directory = TempDir::new().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let files = dist(&first);
    // The second run finds the programs built: what is compared is how they are packed.
    for (name, bytes) in dist(&second) {
        assert!(files.get(&name) == Some(&bytes), "{name} is another each time");
    }
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&first));

    let tarball = first.join(ending(&files, ".tar.gz"));
    run(Command::new("tar").arg("-xzf").arg(tarball).arg("-C").arg(directory.path()));
    let unpacked = directory.path().join(ending(&files, ".tar.gz").trim_end_matches(".tar.gz"));
    let inventory = fs::read_link(unpacked.join("bin/lobby-inventory")).unwrap();
    assert_eq!(inventory, Path::new("lobbyctl"));
    let program = unpacked.join("bin/lobbyd");
    let headers = run(Command::new("readelf").arg("--program-headers").arg(&program));
    assert!(!headers.contains("INTERP"), "{headers}");
    let bytes = fs::read(&program).unwrap();
    let home = root().display().to_string();
    assert!(!bytes.windows(home.len()).any(|window| window == home.as_bytes()), "{home}");

    let bill: Value = serde_json::from_slice(&files[ending(&files, ".cdx.json")]).unwrap();
    names_every_crate(&bill);

    image_runs(&first.join(ending(&files, ".oci.tar")), directory.path());
}

/// Unpacks the image as an engine would, and runs both programs in its root directory.
fn image_runs(image: &Path, directory: &Path) {
    let (layout, bundle) = (directory.join("layout"), directory.join("bundle"));
    fs::create_dir(&layout).unwrap();
    run(Command::new("tar").arg("-xf").arg(image).arg("-C").arg(&layout));
    let reference = format!("{}:{}", layout.display(), env!("CARGO_PKG_VERSION"));
    run(Command::new("umoci").args(["unpack", "--image", &reference]).arg(&bundle));
    let config =
        run(Command::new("skopeo").args(["inspect", "--config", &format!("oci:{reference}")]));
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532", "{config}");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/usr/bin/lobbyd"]));
    let rootfs = bundle.join("rootfs");
    let authorities = fs::read(rootfs.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.starts_with(b"-----BEGIN CERTIFICATE-----"), "{}", authorities.len());
    assert!(authorities.windows(11).filter(|it| *it == b"BEGIN CERTI").count() > 50);
    let inside = |script: &str| {
        // Both in one network namespace, with the devices that an engine gives; `chroot` gives up
        // root.
        let devices = r#"mkdir -p "$ROOT/dev"; mount --rbind /dev "$ROOT/dev""#;
        let script = format!("ip link set lo up; {devices}; {script}");
        let words = ["--net", "--mount", "bash", "-euc", &script];
        run(Command::new("unshare").args(words).env("ROOT", &rootfs))
    };
    let answer = inside(
        r#"
        run() { chroot --userspec=65532:65532 "$ROOT" "$@"; }
        export DRIVER=Local LOCAL_PATH=/run/lobby HOSTNAME=inside LABELS=service:web
        chroot --userspec=65532:65532 "$ROOT" /usr/bin/lobbyd >/dev/null 2>&1 & pid=$!
        for _ in $(seq 200); do run /usr/bin/lobbyctl resolve service:web 2>/dev/null && break; sleep .1; done
        kill $pid"#,
    );
    assert_eq!(answer, "inside\n");
}
