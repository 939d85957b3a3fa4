//! Keeps the section with pgrx's SQL metadata in the library; `xtask` makes the scripts of the extension from it.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--no-gc-sections");
}
