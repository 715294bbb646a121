//! Compiles `proto/` with protox (no protoc needed) and exports the descriptor set.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script where to write so")]
fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    for folder in ["yard", "google"] {
        println!("cargo:rerun-if-changed={}", root.join(folder).display());
    }
    let mut files = Vec::new();
    collect(&root.join("yard"), &mut files)?;
    files.sort();

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let compiler = |comments| -> Result<protox::Compiler, Box<dyn Error>> {
        let mut compiler = protox::Compiler::new([&root])?;
        compiler.include_imports(true).include_source_info(comments).open_files(&files)?;
        Ok(compiler)
    };
    let (bare, commented) = (compiler(false)?, compiler(true)?);
    // protox encodes the set itself: our options are extensions, which prost's types would drop.
    fs::write(out.join("switchyard.fds"), bare.encode_file_descriptor_set())?;
    fs::write(out.join("commented.fds"), commented.encode_file_descriptor_set())?;
    tonic_prost_build::configure().compile_fds(commented.file_descriptor_set())?;
    Ok(())
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
