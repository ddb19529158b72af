# What one does with the sources. `make test` installs what it needs where that is missing.

# More tests at once than the usual one a core: most of the time they wait, for a keep-alive, an expiry, a cooldown.
export RUST_TEST_THREADS ?= 16

# Programs of the workspace as a whole: built by themselves, their dependencies would have other features, and be built again.
BUILT = "$${CARGO_TARGET_DIR:-target}/debug"

.PHONY: demo test test-system deb dist chaos differential bench fleet check fuzz openapi picture release

# lobby at work on this machine, with nothing else installed. STAY=1: until Ctrl-C. PORT=2313: on other ports.
demo:
	@cargo build --locked --bin lobbyd --bin lobbyctl
	@config/demo.sh $(BUILT)

# Every test, end to end ones included: they run the programs that are built first. Then a short form of `make chaos`. What they leave
# in the temporary directory is a fault, too.
test:
	tests/install-servers
	cargo build --workspace --locked
	tests/own-tmpdir cargo test --workspace --locked
	CHAOS_ROUNDS=6 tests/own-tmpdir $(BUILT)/chaos

# What needs root, a systemd or packages: the unit, the Debian package, what is handed out, Ansible, completion in shells. Each test has
# a machine of its own, in namespaces over this one's files, which is gone afterwards. Builds one release. Before that the description of
# the API, with few examples; the first time that needs the network.
test-system:
	tests/install-system
	cargo build --workspace --locked
	EXAMPLES=5 tests/openapi/run
	RUST_TEST_THREADS=4 cargo test --workspace --locked --test system

# A fleet of daemons through random faults of brokers, daemons and what is around them, about four minutes, and a table of how it got over them.
# CHAOS_SEED repeats a script, CHAOS_ROUNDS makes it longer or shorter.
chaos:
	tests/install-servers
	cargo build --workspace --locked
	$(BUILT)/chaos

# Two builds side by side: whatever a user can see of them must be the same, but for the exceptions in tests/differential.
# BASE=DIR holds the older lobbyd and lobbyctl; without it they are built of the commit that tests/differential/base names.
# OPTIONS="--only nats,wire --seed 7" are those of the program.
differential:
	tests/install-servers
	cargo build --workspace --locked
	base=$${BASE:-$$(tests/differential/base)} && $(BUILT)/differential --base "$$base" $(OPTIONS)

# What a change must pass before its tests are worth running.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --test system --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Feeds what lobby reads from strangers with what breaks parsers, FUZZ_SECONDS (20) for each target. Needs a C++ compiler.
fuzz:
	tests/fuzz/run

# Holds the description of the API against its rules and against a daemon, EXAMPLES (60) for each request. Needs python3 with venv, and the
# network the first time. `make test-system` does the same with fewer examples.
openapi:
	cargo build --locked --bin lobbyd
	tests/openapi/run

# Figures beside their limits, in about eleven minutes on a machine that does nothing else. ROWS=discoveries,resolve measures only these
# (target/release/lobby-bench --help names them all), LOBBYD=PATH another daemon; BENCH_WRITE=1 puts the table into BENCHMARKS.md.
# lobbyd is built by itself, so that it is the program that a release holds; so is lobbyctl.
bench:
	tests/install-servers
	cargo build --release --locked --package lobbyd
	cargo build --release --locked --package lobbyctl
	cargo build --release --locked --package lobby-bench
	"$${CARGO_TARGET_DIR:-target}/release/lobby-bench" $(if $(ROWS),--rows $(ROWS)) $(if $(LOBBYD),--lobbyd $(LOBBYD)) $(if $(BENCH_WRITE),--write BENCHMARKS.md)

# A large fleet on a cluster of three NATS servers, in about three minutes: 20 daemons among 1,000, 3,000 and 10,000 simulated hosts, with
# stretched intervals and without. FLEET_HOSTS=1000 makes only this size; FLEET_WRITE=1 puts table and picture into BENCHMARKS.md.
fleet:
	tests/install-servers
	cargo build --release --locked --package lobbyd
	cargo build --release --locked --package lobby-bench
	"$${CARGO_TARGET_DIR:-target}/release/lobby-fleet" $(if $(FLEET_HOSTS),--hosts $(FLEET_HOSTS)) $(if $(LOBBYD),--lobbyd $(LOBBYD)) $(if $(FLEET_WRITE),--write .)

# The picture of the page that the README shows, of a small fleet in a real browser.
picture:
	tests/install-servers
	cargo build --workspace --locked
	$(BUILT)/picture docs/page.png

# The programs to install: target/release/lobbyd and target/release/lobbyctl.
release:
	cargo build --release --locked --bin lobbyd --bin lobbyctl

# The Debian package: target/package/lobby_VERSION_ARCH.deb.
deb:
	packaging/deb

# Tarball of static programs, image for containers, SBOM and checksums: target/dist.
dist:
	packaging/dist
