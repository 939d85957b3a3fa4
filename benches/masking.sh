# What masking credentials takes of a message that is logged: texts made to be slow, and one of 250 MB, against an ordinary
# statement of the same size as is looked at.
echo "masking what is logged"
cargo build --quiet --release --package pg_bearer_tests --example masking
"${CARGO_TARGET_DIR:-../target}/release/examples/masking"
