# What an engineer types all day. `just` lists it.

_list:
    @just --list

# The whole suite on this machine
run *options:
    cargo run -- {{ options }}

# Format, lint and test: what a change must pass
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo test --workspace --locked

# Only the tests of one crate
test crate *filter:
    cargo test -p {{ crate }} {{ filter }}

# Damaged input for every reader of what others write, so many seconds each
fuzz seconds='20':
    FUZZ_SECONDS={{ seconds }} cargo test -p passerelle-banks -p passerelle-knowledge fuzz -- --test-threads=1 --nocapture

# The template, as CloudFormation would read it
template:
    sam validate --lint
    cfn-lint template.yaml

# The deployable functions, or one of them: `just build SyncFunction`
build *function:
    sam build {{ function }}

# Hand one event to one function: `just invoke sync happy-one` (beside `cargo lambda watch`)
invoke function case:
    cargo lambda invoke {{ function }} --data-file events/{{ function }}/{{ case }}.json

# Everything the build machine does
ci:
    .ci/run
