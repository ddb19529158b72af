//! What `make dist` hands out.

use std::collections::BTreeMap;
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

/// Every file that is handed out, by name.
fn dist(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    run(Command::new(root().join("packaging/dist")).arg(directory));
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

#[test]
fn two_runs_give_the_same_bytes_and_the_programs_need_nothing() {
    let directory = TempDir::new().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let files = dist(&first);
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
    let components = bill["components"].as_array().unwrap();
    assert!(components.iter().any(|crate_| crate_["name"] == "actix-web"), "{bill}");
    assert!(components.iter().all(|crate_| crate_["name"] != "proptest"), "{bill}");

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
