//! Builds libzmq with CURVE by libsodium, and links both statically.
#![forbid(unsafe_code)]

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let sodium = |what: &str| {
        let variable = format!("DEP_SODIUM_{what}");
        println!("cargo:rerun-if-env-changed={variable}");
        std::env::var_os(&variable)
            .map(PathBuf::from)
            .unwrap_or_else(|| panic!("libsodium-sys-stable did not say {variable}"))
    };
    // Warnings about code that nobody here can change; the compiler's are shown for packages of a workspace.
    let mut flags = std::env::var_os("CXXFLAGS").unwrap_or_default();
    flags.push(" -w");
    std::env::set_var("CXXFLAGS", flags);

    let libsodium = zeromq_src::LibLocation::new(sodium("LIB"), sodium("INCLUDE"));
    zeromq_src::Build::new().with_libsodium(Some(libsodium)).build();
}
