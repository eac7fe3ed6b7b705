# What people run here. `check` is read-only and is what CI runs.

# Build and run everything in one process, data under ./data
run *args:
    cargo run -- all {{args}}

# The README's test command
test *args:
    cargo test --workspace {{args}}

# All that CI checks
check:
    .ci/run

# Mends what a machine can mend
fix:
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all

# Criterion benchmarks
bench *args:
    cargo bench --workspace {{args}}

# Licences, advisories, doubled dependencies
deny:
    cargo deny check

# Fuzzes one target for ten minutes; `cargo fuzz list` names them. No nightly toolchain is needed
fuzz target seconds="600":
    fuzz/seed
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=${LATEWOOD_FUZZ_TARGET:-$HOME/.cache/latewood-fuzz} \
        cargo fuzz run {{target}} -- -max_total_time={{seconds}} -rss_limit_mb=512 -malloc_limit_mb=256 -max_len=65536
