//! Hands the C API's headers, which the crate's own build prepares in a directory of its own, to whoever builds us: they
//! are copied to the directory named by ADK_ENGINE_INCLUDE.

use std::path::Path;
use std::{env, fs, io};

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn main() {
    println!("cargo:rerun-if-env-changed=ADK_ENGINE_INCLUDE");
    let (Ok(from), Ok(to)) = (env::var("DEP_WASMTIME_C_API_INCLUDE"), env::var("ADK_ENGINE_INCLUDE")) else {
        return;
    };
    copy_tree(Path::new(&from), Path::new(&to)).expect("copy the C API's headers");
}
