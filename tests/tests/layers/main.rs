//! The modules of each crate are rooms one above the other, and a path leads down or stays: no arrow up, so no circle.
//!
//! The rooms stand in `ARCHITECTURE.md`, lowest first, in a block that begins with ```` ```text rooms CRATE ````. A room is a
//! module with all that is below it and not a room itself; modules joined by `+` are one room.

use std::path::Path;
use std::{fs, io};

mod paths;
mod rooms;
mod tests;
mod tree;

use self::rooms::Rooms;
use self::tree::Tree;

#[test]
fn upsert_derive_keeps_to_its_rooms() -> io::Result<()> {
    keeps_to_its_rooms("upsert-derive")
}

#[test]
fn upsert_runtime_keeps_to_its_rooms() -> io::Result<()> {
    keeps_to_its_rooms("upsert-runtime")
}

fn keeps_to_its_rooms(package: &str) -> io::Result<()> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    let rooms = Rooms::of_document(&architecture, package);
    let mut files = Vec::new();
    read(&root.join(package).join("src"), "", &mut files)?;
    let problems = Tree::new(files).problems(&rooms);
    assert!(
        problems.is_empty(),
        "{package}/src, {} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
    Ok(())
}

/// Each file of Rust in `folder` by its name, which begins with `prefix`, and what is in it.
fn read(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            read(&path, &format!("{name}/"), files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((name, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}
