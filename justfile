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
