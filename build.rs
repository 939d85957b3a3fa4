//! Keeps the section with pgrx's SQL metadata in the library; `xtask` makes the install script from it.
fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,--no-gc-sections");
}
